// The list of connections: the first by any column.

import { Refusal, get } from "/api.js";
import { at, bytes, count, make, span } from "/format.js";

const COLUMNS = [
  ["id", "#", (it) => it.id, "n"],
  ["peer", "Address", (it) => it.peer],
  ["host", "Host", (it) => it.host || "–"],
  ["protocol", "Protocol", (it) => ({ h1: "HTTP/1.1", h2: "HTTP/2", none: "–" })[it.protocol]],
  ["tls", "TLS", (it) => it.tls?.replace("TLSv", "") || "–"],
  ["state", "State", (it) => it.state],
  ["age_s", "Age", (it) => span(it.age_s), "n"],
  ["requests", "Requests", (it) => count(it.requests), "n"],
  ["received", "Received", (it) => bytes(it.received), "n"],
  ["sent", "Sent", (it) => bytes(it.sent), "n"],
  ["memory", "Memory", (it) => bytes(it.memory), "n"],
  ["streams", "Open", (it) => count(it.streams), "n"],
  ["blocked", "Blocked", (it) => (it.blocked ? `${it.blocked}, ${it.blocked_by}` : "–")],
];
const PERIOD = 2000;

let sort = "memory";
let order = "desc";
let timer = null;
let onError = () => {};

function head() {
  const cells = COLUMNS.map(([name, title, , kind]) => {
    const button = make("button", "plain", title);
    const cell = make("th", kind || "", button);
    cell.scope = "col";
    if (name === sort) {
      cell.setAttribute("aria-sort", order === "desc" ? "descending" : "ascending");
    }
    button.type = "button";
    button.addEventListener("click", () => {
      order = sort === name && order === "desc" ? "asc" : "desc";
      sort = name;
      head();
      load();
      at("connections").tHead.querySelector("[aria-sort] button").focus();
    });
    return cell;
  });
  at("connections").tHead.replaceChildren(make("tr", "", ...cells));
}

function row(it) {
  const cells = COLUMNS.map(([name, , text, kind]) => {
    if (name === "id") {
      const link = make("a", "", `#${it.id}`);
      link.href = `#connections/${it.id}`;
      link.setAttribute("aria-label", `Connection ${it.id} of ${it.peer}`);
      return make("td", kind || "", link);
    }
    const cell = make("td", kind || "", text(it));
    if (name === "blocked" && it.blocked) {
      cell.classList.add("warn");
    }
    return cell;
  });
  const line = make("tr", it.state, ...cells);
  line.addEventListener("click", (event) => {
    if (!getSelection().toString() && event.target.tagName !== "A") {
      location.hash = `#connections/${it.id}`;
    }
  });
  return line;
}

async function load() {
  clearTimeout(timer);
  const query = new URLSearchParams({ sort, order, top: at("top").value });
  const filter = at("connection-filter").value.trim();
  if (filter) {
    query.set("filter", filter);
  }
  try {
    const list = await get(`/api/connections?${query}`);
    const body = at("connections").tBodies[0];
    const focused = document.activeElement?.closest?.("#connections tbody a")?.hash;
    body.replaceChildren(...list.connections.map(row));
    if (!list.connections.length) {
      const cell = make("td", "quiet", "No connection.");
      cell.colSpan = COLUMNS.length;
      body.append(make("tr", "", cell));
    }
    [...body.querySelectorAll("a")].find((link) => link.hash === focused)?.focus();
    const shown = count(list.connections.length);
    at("connection-count").textContent =
      `${shown} of ${count(list.total)} shown, ${count(list.connections_open)} open`;
  } catch (problem) {
    onError(problem);
    if (problem instanceof Refusal) {
      at("connection-count").textContent = problem.message;
    }
  }
  if (!at("view-connections").hidden && !document.hidden) {
    timer = setTimeout(load, PERIOD);
  }
}

/** Begins to show the list. */
export function open(refused) {
  onError = refused;
  head();
  load();
}

/** Stops. */
export function close() {
  clearTimeout(timer);
}

at("connection-filter").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(load, 250);
});
at("top").addEventListener("change", load);
