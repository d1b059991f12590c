// The overview: lines of the last ten minutes, and tables of the present.

import { Chart } from "/chart.js";
import { at, bytes, count, make, milliseconds, rows, span } from "/format.js";

const perSecond = (value) => `${value < 10 && value % 1 ? value.toFixed(1) : count(value)}/s`;
const bytesPerSecond = (value) => `${bytes(value)}/s`;
const percent = (value) => `${value < 0.1 ? (value * 100).toFixed(1) : Math.round(value * 100)} %`;

const charts = [
  new Chart({ title: "Requests", lines: ["requests", "errors"], keys: ["all", "5xx"], show: perSecond, least: 4 }),
  new Chart({ title: "Latency", lines: ["p99_ms", "p50_ms"], keys: ["p99", "p50"], show: milliseconds, least: 0.1 }),
  new Chart({ title: "Traffic", lines: ["sent", "received"], keys: ["sent", "received"], show: bytesPerSecond, least: 1024 }),
  new Chart({ title: "Connections", lines: ["connections"], show: count, least: 4 }),
  new Chart({ title: "Memory of connections", lines: ["memory"], show: bytes, least: 16384 }),
  new Chart({ title: "Event loop", lines: ["busy"], show: percent, least: 0.01 }),
];
let tick = 0;

const STATES = {
  serving: ["good", "serving"],
  paused: ["warn", "paused"],
  leaving: ["warn", "leaving"],
  draining: ["bad", "draining"],
};

at("charts").append(...charts.map((chart) => chart.element));

function addHistory(history) {
  if (history.tick < tick) {
    // The server was started anew.
    charts.forEach((chart) => chart.clear());
  }
  tick = history.tick;
  charts.forEach((chart) => chart.add(history));
}

/** Forgets the lines, which come whole with a new stream. */
export function restart() {
  tick = 0;
  charts.forEach((chart) => chart.clear());
}

const UPSTREAM_COLUMNS = ["Mount", "Server", "State", "Connections", "Active", "Waiting", "Answered", "Failed", "p50", "p99"];

function showUpstreams(upstreams) {
  at("upstreams-card").hidden = upstreams.length === 0;
  const cell = (text, kind = "") => make("td", kind, text);
  const time = (value) => (value === null ? "–" : milliseconds(value));
  const lines = upstreams.flatMap((upstream) =>
    upstream.servers.map((server, place) =>
      make(
        "tr",
        "",
        cell(place ? "" : `${upstream.host} ${upstream.mount}`),
        cell(server.name, "mono"),
        make("td", "", make("span", `pill ${server.state === "up" ? "good" : "bad"}`, server.state)),
        cell(`${count(server.connections)} (${count(server.idle)} idle)`, "n"),
        cell(count(server.active), "n"),
        cell(place ? "" : count(upstream.waiting), "n"),
        cell(count(server.answered), "n"),
        cell(count(server.failed), "n"),
        cell(time(server.p50_ms), "n"),
        cell(time(server.p99_ms), "n"),
      ),
    ),
  );
  const head = UPSTREAM_COLUMNS.map((name, place) => {
    const column = make("th", place > 2 ? "n" : "", name);
    column.scope = "col";
    return column;
  });
  document.querySelector("#upstreams thead").replaceChildren(make("tr", "", ...head));
  document.querySelector("#upstreams tbody").replaceChildren(...lines);
}

/** Shows what an event tells, which may be a part of everything. */
export function show(event, unblock) {
  if (event.history) {
    addHistory(event.history);
  }
  if (event.server) {
    const [kind, word] = STATES[event.server.state] || ["", event.server.state];
    at("state").className = `pill ${kind}`;
    at("state").textContent = word;
    at("uptime").textContent = `${event.server.version} · up ${span(event.server.uptime_s)}`;
    for (const button of document.querySelectorAll("[data-action=pause], [data-action=resume]")) {
      const wanted = event.server.state === "paused" ? "resume" : "pause";
      button.hidden = button.dataset.action !== wanted;
    }
  }
  if (event.requests) {
    const kinds = { "4xx": "second", "5xx": "bad", none: "bad" };
    const list = Object.entries(event.requests.classes).filter(([, value]) => value);
    const named = list.map(([name, value]) => ({
      name: name === "none" ? "given up" : name,
      value,
      kind: kinds[name],
    }));
    rows(at("classes"), named.length ? named : [{ name: "none yet", value: 0 }], event.requests.total);
  }
  if (event.connections) {
    const words = { h2: "HTTP/2", h1: "HTTP/1.1", none: "new" };
    const list = event.connections.by.map((row) => ({
      name: `${words[row.protocol] || row.protocol}, ${row.state}`,
      value: row.count,
    }));
    list.push({ name: "streams of HTTP/2", value: event.connections.streams, kind: "second" });
    list.push({ name: "limit", value: 0, text: count(event.connections.limit) });
    rows(at("kinds"), list);
  }
  if (event.memory) {
    const { process, connections, limit, files } = event.memory;
    rows(
      at("memory"),
      [
        { name: "process", value: process || 0, text: process ? bytes(process) : "–" },
        { name: "connections", value: connections, text: bytes(connections) },
        { name: "limit of these", value: 0, text: bytes(limit) },
        { name: "hot files", value: files, text: bytes(files) },
      ],
    );
  }
  if (event.certificate) {
    const { ends } = event.certificate;
    const days = Math.floor((ends * 1000 - Date.now()) / 86400000);
    const isNear = ends !== null && days < 14;
    at("certificate").hidden = !isNear;
    at("certificate").textContent = !isNear
      ? ""
      : days < 0
        ? "A certificate in use has ended: browsers refuse it."
        : `A certificate in use ends in ${days === 1 ? "a day" : days ? `${days} days` : "less than a day"}.`;
  }
  if (event.limits) {
    at("no-limits").hidden = event.limits.length > 0;
    rows(at("limits"), event.limits.map(({ name, count: value }) => ({ name, value, kind: "second" })));
  }
  if (event.upstreams) {
    showUpstreams(event.upstreams);
  }
  if (event.blocked) {
    at("blocked").replaceChildren(
      ...event.blocked.map((it) => {
        const button = make("button", "small", "Unblock");
        button.addEventListener("click", () => unblock(it.address));
        const text = `${span(it.seconds)} left, ${count(it.refused)} refused`;
        return make("li", "", make("span", "mono", it.address), make("span", "quiet", text), button);
      }),
    );
  }
}
