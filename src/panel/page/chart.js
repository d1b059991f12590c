// Lines of the last ten minutes, drawn on a canvas.

import { ready } from "/canvas.js";
import { make } from "/format.js";

const POINTS = 600;

/** A card with the present value and its line. `lines` are names of columns, `show` formats a value. */
export class Chart {
  constructor({ title, lines, keys, show, least, sum }) {
    Object.assign(this, { title, lines, show, least, sum });
    this.values = lines.map(() => []);
    this.hover = null;
    this.now = make("span", "value", "–");
    this.other = make("span", "other", "");
    this.unit = make("small", "");
    const key = make("span", "key");
    keys?.forEach((name, at) => key.append(make("i", at ? "second" : ""), name));
    this.canvas = make("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.element = make(
      "article",
      "card chart",
      make("div", "title", make("h2", "", title), key),
      make("div", "now", this.now, this.other, this.unit),
      this.canvas,
    );
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    this.canvas.addEventListener("blur", () => this.leave());
    this.canvas.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Takes the columns of new samples. */
  add(history) {
    this.lines.forEach((name, at) => {
      this.values[at].push(...history[name]);
      this.values[at].splice(0, this.values[at].length - POINTS);
    });
    this.draw();
  }

  clear() {
    this.values.forEach((values) => values.splice(0));
  }

  point(x) {
    const width = this.canvas.clientWidth;
    this.hover = Math.max(0, Math.min(POINTS - 1, Math.round((1 - x / width) * (POINTS - 1))));
    this.draw();
  }

  step(event) {
    const by = { ArrowLeft: 5, ArrowRight: -5, Home: POINTS, End: -POINTS }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      this.hover = Math.max(0, Math.min(POINTS - 1, (this.hover ?? 0) + by));
      this.draw();
    }
  }

  leave() {
    this.hover = null;
    this.draw();
  }

  /** Writes the value at the pointer, or the newest. */
  tell() {
    const back = this.hover ?? 0;
    const found = this.values.map((values) => values.at(-1 - back));
    const texts = found.map((value) => (value === undefined ? "–" : this.show(value)));
    this.now.textContent = texts[0];
    this.other.textContent = texts[1] ?? "";
    this.unit.textContent = this.hover === null ? "" : back ? `${back} s ago` : "now";
    const peak = Math.max(0, ...this.values[0]);
    this.canvas.setAttribute(
      "aria-label",
      `${this.title}: ${texts.join(", ")}; at most ${this.show(peak)} in the last ten minutes`,
    );
  }

  draw() {
    this.tell();
    const place = ready(this.canvas);
    if (!place) {
      return;
    }
    const { ink, width, height, colour, size } = place;
    const bottom = height - size * 1.5;
    const most = nice(Math.max(this.least || 1e-9, ...this.values.flat()));
    const y = (value) => bottom - (value / most) * (bottom - size * 1.25);
    const x = (back) => width - 1 - (back / (POINTS - 1)) * (width - 1);
    ink.lineWidth = 1;
    ink.fillStyle = colour("--quiet");
    ink.strokeStyle = colour("--line");
    for (const value of [0, most / 2, most]) {
      line(ink, 0, y(value), width, y(value));
    }
    ink.fillText(this.show(most), 0, y(most) - size * 0.3);
    ink.textAlign = "center";
    for (const minutes of [8, 6, 4, 2]) {
      ink.fillText(`−${minutes} min`, x(minutes * 60), height - 1);
    }
    ink.textAlign = "right";
    ink.fillText("now", width, height - 1);
    ink.textAlign = "left";
    ["--second", "--accent"].slice(2 - this.values.length).forEach((name, turned) => {
      const values = this.values[this.values.length - 1 - turned];
      this.trace(ink, values, x, y, colour(name), turned === this.values.length - 1 && bottom);
    });
    if (this.hover !== null) {
      ink.strokeStyle = colour("--quiet");
      line(ink, x(this.hover), size, x(this.hover), bottom);
    }
  }

  trace(ink, values, x, y, colour, bottom) {
    if (!values.length) {
      return;
    }
    ink.beginPath();
    values.forEach((value, at) => ink.lineTo(x(values.length - 1 - at), y(value)));
    ink.strokeStyle = colour;
    ink.lineWidth = 1.5;
    ink.lineJoin = "round";
    ink.stroke();
    if (bottom) {
      ink.lineTo(x(0), bottom);
      ink.lineTo(x(values.length - 1), bottom);
      ink.globalAlpha = 0.1;
      ink.fillStyle = colour;
      ink.fill();
      ink.globalAlpha = 1;
    }
  }
}

function line(ink, x1, y1, x2, y2) {
  ink.beginPath();
  ink.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  ink.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
  ink.stroke();
}

/** The next round number. */
function nice(value) {
  const base = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * base).find((step) => step >= value * 0.999);
}
