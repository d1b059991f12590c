// One connection live: windows, streams, settings, tables, budgets, and its frames on a time axis.

import { at, bytes, count, make, meter, span } from "/format.js";
import { Axis } from "/axis.js";

const MOST_FRAMES = 2000;
const SHOWN_FRAMES = 300;
const BLOCKS = {
  "stream-window": "the stream window is at 0",
  "connection-window": "the connection window is at 0",
  socket: "the socket takes no more",
  disk: "the disk",
  handler: "the handler",
  upstream: "the upstream",
  request: "the rest of the request",
};

let id = 0;
let frames = [];
let records = [];
let head = null;
let lost = 0;
let paused = false;
let dirty = false;
const axis = new Axis(at("axis"));

/** Begins to show the connection of this number. */
export function open(number) {
  [id, frames, records, head, lost, paused] = [number, [], [], null, 0, false];
  at("one-title").textContent = `Connection ${id}`;
  at("one-facts").textContent = "";
  at("one-gone").hidden = true;
  at("frame-pause").setAttribute("aria-pressed", "false");
  at("one-blocked").textContent = "";
  at("h2-panes").hidden = true;
  at("streams-card").hidden = true;
  drawFrames();
}

/** The connection is gone. */
export function gone() {
  at("one-gone").hidden = false;
  for (const button of document.querySelectorAll("[data-one]")) {
    button.disabled = true;
  }
}

/* The state */

/** A row with a bar: what is left of a whole. Nothing left is told in colour and in words. */
function level(name, value, whole, text) {
  const empty = value <= 0;
  const cell = make("td", "", meter(value / whole, empty ? "bad" : ""));
  return make("tr", empty ? "empty" : "", make("td", "", name), cell, make("td", "", text));
}

function windowRow(name, value, initial) {
  const most = Math.max(initial, value, 1);
  return level(name, value, most, value <= 0 ? `${count(value)}: shut` : bytes(value));
}

function streamRow(stream, initial) {
  const sent = stream.queued === null ? bytes(stream.sent) : `${bytes(stream.sent)} of ${bytes(stream.sent + stream.queued)}`;
  const urgency = `u=${stream.urgency}${stream.incremental ? ", i" : ""}`;
  const obstacle = stream.blocked_by ? make("span", "chip", stream.blocked_by) : "–";
  if (stream.blocked_by) {
    obstacle.title = `It waits: ${BLOCKS[stream.blocked_by] || stream.blocked_by}`;
  }
  const bar = (value, most) => {
    const text = make("span", value <= 0 ? "warn" : "", value <= 0 ? count(value) : bytes(value));
    return make("td", "level", meter(value / Math.max(most, value, 1), value <= 0 ? "bad" : ""), text);
  };
  return make(
    "tr",
    "",
    make("td", "n", String(stream.id)),
    make("td", "", stream.state),
    make("td", "", urgency),
    bar(stream.windows.send, initial.send),
    bar(stream.windows.receive, initial.receive),
    make("td", "n", sent),
    make("td", "n", bytes(stream.received)),
    make("td", "", obstacle),
  );
}

function table(titles, lines) {
  const cells = titles.map(([title, kind]) => {
    const cell = make("th", kind || "", title);
    cell.scope = "col";
    return cell;
  });
  return make("table", "list", make("thead", "", make("tr", "", ...cells)), make("tbody", "", ...lines));
}

function facts(it) {
  const tls = it.tls_facts;
  const words = [
    it.peer,
    it.host,
    { h1: "HTTP/1.1", h2: "HTTP/2" }[it.protocol] || "no protocol yet",
    tls ? [tls.version, tls.suite, tls.group, tls.resumed && "resumed"].filter(Boolean).join(" ") : "in the clear",
    `${it.state}, ${span(it.age_s) || "0 s"} old`,
    `${count(it.requests)} requests`,
    `${bytes(it.received)} in, ${bytes(it.sent)} out`,
    `${bytes(it.memory)} held${it.unsent ? `, ${bytes(it.unsent)} unsent` : ""}`,
    it.h2?.rtt_ms !== undefined && it.h2?.rtt_ms !== null && `round trip ${it.h2.rtt_ms.toFixed(2)} ms`,
  ];
  return words.filter(Boolean).map((word) => make("span", "", word));
}

function obstacleOf(it) {
  const waiting = it.h2 ? it.h2.streams.filter((stream) => stream.blocked_by) : [];
  const one = it.request?.blocked_by;
  if (one) {
    return `The request waits: ${BLOCKS[one] || one}.`;
  }
  if (!waiting.length) {
    return "Nothing is blocked.";
  }
  const groups = Map.groupBy(waiting, (stream) => stream.blocked_by);
  const parts = [...groups].map(([by, streams]) => {
    const ids = streams.map((stream) => stream.id);
    const list = ids.length > 6 ? `${ids.slice(0, 6).join(", ")} …` : ids.join(", ");
    return `stream${ids.length > 1 ? "s" : ""} ${list} (${BLOCKS[by] || by})`;
  });
  return `Blocked: ${parts.join("; ")}.`;
}

/** Shows the state of the connection. */
export function show(it) {
  at("one-facts").replaceChildren(...facts(it));
  at("one-blocked").textContent = obstacleOf(it);
  at("one-blocked").classList.toggle("warn", it.blocked > 0);
  for (const button of document.querySelectorAll("[data-one]")) {
    button.disabled = false;
    button.dataset.peer = it.peer;
  }
  at("h2-panes").hidden = !it.h2;
  at("streams-card").hidden = !it.h2;
  if (!it.h2) {
    return;
  }
  const { windows, streams, settings, hpack, budgets, held } = it.h2;
  const initial = {
    send: settings.peer.initial_window_size,
    receive: settings.local.initial_window_size,
  };
  at("windows").replaceChildren(
    windowRow("to send", windows.send, 65535),
    windowRow("to receive", windows.receive, 65535),
    make("tr", "", make("td", "", "held by handlers"), make("td"), make("td", "", bytes(held))),
  );
  const titles = [["Stream", "n"], ["State"], ["Priority"], ["Send window"], ["Receive window"], ["Sent", "n"], ["Received", "n"], ["Blocked by"]];
  at("streams").replaceChildren(
    streams.length
      ? table(titles, streams.slice(0, 200).map((stream) => streamRow(stream, initial)))
      : make("p", "quiet", "No stream is open."),
  );
  const shown = (value) => (value === null ? "no limit" : typeof value === "boolean" ? (value ? "yes" : "no") : count(value));
  at("settings").replaceChildren(
    table(
      [["Setting"], ["Ours", "n"], ["Theirs", "n"]],
      Object.keys(settings.local).map((name) =>
        make("tr", "", make("td", "", name.replaceAll("_", " ")), make("td", "n", shown(settings.local[name])), make("td", "n", shown(settings.peer[name]))),
      ),
    ),
  );
  at("tables").replaceChildren(
    ...[["encoder", hpack.encoder], ["decoder", hpack.decoder]].map(([name, { used, limit, entries }]) => {
      const text = `${bytes(used)} of ${bytes(limit)}, ${entries} entries`;
      return make("tr", "", make("td", "", name), make("td", "", meter(used / Math.max(1, limit))), make("td", "", text));
    }),
  );
  at("budgets").replaceChildren(
    ...budgets.map(({ name, left, limit }) => level(name.replaceAll("_", " "), left, Math.max(1, limit), `${count(left)} of ${count(limit)}`)),
  );
}

/* Frames */

/** The head of the trace. */
export function begin(text) {
  head = text;
}

/** Takes frames as they came. */
export function add(event) {
  lost = event.lost;
  for (const frame of event.frames) {
    records.push(JSON.stringify(frame.qlog));
    if (frame.dir !== "state") {
      frames.push(frame);
    }
  }
  frames.splice(0, frames.length - MOST_FRAMES);
  records.splice(0, records.length - 4 * MOST_FRAMES);
  if (!paused && !dirty) {
    dirty = true;
    requestAnimationFrame(drawFrames);
  }
}

function headersOf(frame) {
  const data = frame.qlog?.data;
  const fields = data?.frame?.headers || data?.headers || [];
  return fields.map(({ name, value }) => `${name}: ${value ?? "(not shown)"}`);
}

function wanted(frame) {
  const words = at("frame-filter").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${frame.dir} ${frame.type} ${frame.stream} ${frame.text} ${headersOf(frame).join(" ")}`.toLowerCase();
  return words.every((word) => (/^\d+$/.test(word) ? String(frame.stream) === word : text.includes(word)));
}

function frameLine(frame) {
  const arrow = frame.dir === "in" ? "←" : "→";
  const title = make("span", `type ${frame.dir}`, `${arrow} ${frame.type}`);
  title.setAttribute("aria-label", `${frame.dir === "in" ? "received" : "sent"} ${frame.type}`);
  const stream = frame.type === "HEAD" ? "" : String(frame.stream);
  const line = make(
    "li",
    "",
    make("span", "time", (frame.t / 1000).toFixed(3)),
    title,
    make("span", "stream", stream),
    make("span", "len", frame.len ? bytes(frame.len) : ""),
    make("span", "text", frame.text),
  );
  const fields = headersOf(frame);
  if (fields.length) {
    line.append(make("span", "fields", fields.join("\n")));
  }
  return line;
}

function drawFrames() {
  dirty = false;
  const list = frames.filter(wanted);
  axis.draw(list);
  at("frames").replaceChildren(...list.slice(-SHOWN_FRAMES).reverse().map(frameLine));
  const left = lost ? `, ${count(lost)} lost` : "";
  at("frame-count").textContent = `${count(list.length)} of ${count(frames.length)} frames${left}`;
}

at("frame-filter").addEventListener("input", drawFrames);
at("frame-pause").addEventListener("click", () => {
  paused = !paused;
  at("frame-pause").setAttribute("aria-pressed", String(paused));
  at("frame-pause").textContent = paused ? "Go on" : "Pause";
  drawFrames();
});
at("frame-save").addEventListener("click", () => {
  const text = [head, ...records].filter(Boolean).map((record) => `\x1e${record}\n`);
  const link = make("a");
  link.href = URL.createObjectURL(new Blob(text, { type: "application/qlog+json-seq" }));
  link.download = `calmd-connection-${id}.sqlog`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});
