// Frames on a time axis: those that came above the line, those that went below it.

import { ready } from "/canvas.js";

const SPAN = 10_000;
const COLOURS = {
  DATA: "--accent",
  HEADERS: "--second",
  HEAD: "--second",
  RST_STREAM: "--bad",
  GOAWAY: "--bad",
};

/** An axis of the last ten seconds in which something passed. */
export class Axis {
  constructor(canvas) {
    this.canvas = canvas;
    this.frames = [];
    const again = () => this.draw(this.frames);
    new ResizeObserver(again).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  }

  draw(frames) {
    this.frames = frames;
    const place = ready(this.canvas);
    if (!place) {
      return;
    }
    const { ink, width, height, colour, size } = place;
    const end = frames.at(-1)?.t ?? 0;
    const middle = (height - size * 1.4) / 2;
    const x = (time) => width - 4 - ((end - time) / SPAN) * (width - 8);
    ink.fillStyle = colour("--quiet");
    ink.strokeStyle = colour("--line");
    ink.beginPath();
    ink.moveTo(0, Math.round(middle) + 0.5);
    ink.lineTo(width, Math.round(middle) + 0.5);
    ink.stroke();
    for (let back = 0; back < 10; back += 2) {
      ink.textAlign = back ? "center" : "right";
      ink.fillText(back ? `−${back} s` : "last", x(end - back * 1000), height - 2);
    }
    ink.textAlign = "left";
    ink.fillText("received", 0, size);
    ink.fillText("sent", 0, middle * 2);
    const counts = { in: 0, out: 0 };
    for (const frame of frames) {
      if (frame.t < end - SPAN) {
        continue;
      }
      counts[frame.dir] += 1;
      // The length of a mark grows with that of the frame, by powers of two.
      const part = 0.3 + 0.7 * Math.min(1, Math.log2(1 + frame.len) / 14);
      const tall = (middle - size * 1.2) * part;
      ink.fillStyle = colour(COLOURS[frame.type.split(" ")[0]] || "--quiet");
      ink.fillRect(x(frame.t), frame.dir === "in" ? middle - tall : middle + 1, 2, tall);
    }
    this.canvas.setAttribute(
      "aria-label",
      `The last ten seconds of frames: ${counts.in} received, ${counts.out} sent`,
    );
  }
}
