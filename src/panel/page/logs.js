// Both logs, live.

import { at, count, make } from "/format.js";

const MOST_LINES = 1000;
const kept = { access: [], server: [] };
let chosen = "access";
let paused = false;

function kindOf(line) {
  if (chosen === "server") {
    const level = line.match(/^\[\S+ (\w+)/)?.[1];
    return { ERROR: "bad", WARN: "warn", DEBUG: "dim", TRACE: "dim" }[level] || "";
  }
  const status = line.match(/" (\d{3}) \d+|"status":(\d+)/);
  const code = Number(status?.[1] || status?.[2] || 200);
  return code >= 500 ? "bad" : code >= 400 ? "warn" : "";
}

function wanted(line) {
  return line.toLowerCase().includes(at("log-filter").value.trim().toLowerCase());
}

function draw() {
  const box = at("log");
  const lines = kept[chosen].filter(wanted);
  const isAtEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 40;
  box.replaceChildren(...lines.map((line) => make("span", kindOf(line), `${line}\n`)));
  if (!lines.length) {
    box.append(make("span", "dim", kept[chosen].length ? "No line matches." : "No line yet."));
  }
  if (isAtEnd) {
    box.scrollTop = box.scrollHeight;
  }
  at("log-count").textContent = `${count(lines.length)} of ${count(kept[chosen].length)} lines`;
}

/** Takes new lines. */
export function add(event) {
  for (const name of ["access", "server"]) {
    kept[name].push(...event[name]);
    kept[name].splice(0, kept[name].length - MOST_LINES);
  }
  if (event.lost) {
    kept.server.push(`… ${event.lost} lines were left out`);
  }
  if (!paused) {
    draw();
  }
}

/** Forgets all lines, which come whole with a new stream. */
export function restart() {
  kept.access = [];
  kept.server = [];
}

for (const choice of document.querySelectorAll("input[name=log]")) {
  choice.addEventListener("change", () => {
    chosen = choice.value;
    draw();
  });
}
at("log-filter").addEventListener("input", draw);
at("log-pause").addEventListener("click", () => {
  paused = !paused;
  at("log-pause").setAttribute("aria-pressed", String(paused));
  at("log-pause").textContent = paused ? "Go on" : "Pause";
  draw();
});
