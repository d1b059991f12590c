// The page: login, views, the stream of events, actions.

import { begin, get, post, session } from "/api.js";
import { at, make } from "/format.js";
import * as connection from "/connection.js";
import * as connections from "/connections.js";
import * as logs from "/logs.js";
import * as overview from "/overview.js";

const VIEWS = ["overview", "connections", "connection", "logs"];
let stream = null;

/* Notes and questions */

function note(text, kind = "") {
  const line = make("p", kind, text);
  at("notes").append(line);
  setTimeout(() => line.remove(), 6000);
}

function ask(title, text, yes) {
  at("ask-title").textContent = title;
  at("ask-text").textContent = text;
  at("ask-yes").textContent = yes;
  const dialog = at("ask");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/* Login */

function showLogin() {
  stop();
  session.token = "";
  at("app").hidden = true;
  at("login").hidden = false;
  at("user").focus();
}

async function logIn(claim) {
  const error = at("login-error");
  error.hidden = true;
  try {
    begin(await post("/api/login", claim));
    at("password").value = "";
    at("token").value = "";
    enter();
  } catch (refusal) {
    error.textContent = refusal.status === 403 ? "That is not right." : refusal.message;
    error.hidden = false;
    showLogin();
  }
}

at("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = at("token").value.trim();
  const claim = token
    ? { token: token.replace(/^.*token=/, "") }
    : { user: at("user").value, password: at("password").value };
  logIn(claim);
});

at("logout").addEventListener("click", async () => {
  await post("/api/logout", {}).catch(() => {});
  showLogin();
});

/* Views */

function enter() {
  at("login").hidden = true;
  at("app").hidden = false;
  at("who").textContent = session.user;
  at("read-only").hidden = !session.readOnly;
  at("buttons").hidden = session.readOnly;
  at("block-form").hidden = session.readOnly;
  at("one-actions").hidden = session.readOnly;
  showView();
}

/** The view of the address, and the number of the connection that it shows. */
function viewOf(hash) {
  const [name, number] = hash.slice(1).split("/");
  if (name === "connections" && /^\d+$/.test(number)) {
    return ["connection", Number(number)];
  }
  return [VIEWS.includes(name) && name !== "connection" ? name : "overview"];
}

function showView() {
  if (at("app").hidden) {
    return;
  }
  const [view, number] = viewOf(location.hash);
  for (const name of VIEWS) {
    at(`view-${name}`).hidden = name !== view;
  }
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (view.startsWith(link.dataset.view.slice(0, 10))) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  connections.close();
  if (view === "connections") {
    connections.open(refused);
  } else if (view === "connection") {
    connection.open(number);
  }
  start();
}

window.addEventListener("hashchange", showView);

/* Events */

function stop() {
  stream?.close();
  stream = null;
}

function start() {
  stop();
  if (document.hidden) {
    return;
  }
  overview.restart();
  logs.restart();
  const [view, number] = viewOf(location.hash);
  const wanted = { logs: "?logs=1", connection: `?watch=${number}` }[view] || "";
  const own = new EventSource(`/api/events${wanted}`);
  stream = own;
  own.addEventListener("open", () => {
    at("offline").hidden = true;
  });
  own.addEventListener("overview", (event) => overview.show(JSON.parse(event.data), unblock));
  own.addEventListener("log", (event) => logs.add(JSON.parse(event.data)));
  own.addEventListener("connection", (event) => connection.show(JSON.parse(event.data)));
  own.addEventListener("qlog", (event) => connection.begin(event.data));
  own.addEventListener("frames", (event) => connection.add(JSON.parse(event.data)));
  own.addEventListener("gone", () => connection.gone());
  own.addEventListener("end", (event) => {
    note(`${JSON.parse(event.data)}.`);
    own.close();
    check();
  });
  own.addEventListener("error", () => {
    own.close();
    if (own === stream) {
      check();
    }
  });
}

/** Looks after a request that was refused: is the session over? */
function refused(problem) {
  if (problem.status === 401) {
    showLogin();
  }
}

/** Looks after a stream that has ended: is the session over, or the server gone? */
async function check() {
  try {
    begin(await get("/api/session"));
    setTimeout(start, 1000);
  } catch (refusal) {
    if (refusal.status === 401) {
      showLogin();
    } else {
      at("offline").hidden = false;
      setTimeout(check, 2000);
    }
  }
}

document.addEventListener("visibilitychange", () => {
  if (!at("app").hidden) {
    if (document.hidden) {
      stop();
      connections.close();
    } else {
      showView();
    }
  }
});

/* Actions */

const QUESTIONS = {
  pause: ["Pause accepting?", "New connections wait until you resume. Open ones go on.", "Pause"],
  resume: ["Resume accepting?", "Connections that wait are let in.", "Resume"],
  reload: ["Reload?", "Certificates and files are read again, as with SIGHUP.", "Reload"],
  "reopen-logs": ["Open logs again?", "The access log is opened by its name, as with SIGUSR1.", "Open"],
  drain: ["Drain and exit?", "Open requests finish, then the server ends, and this panel with it.", "Drain and exit"],
};

async function act(action) {
  try {
    const { done } = await post("/api/actions", action);
    note(`${done[0].toUpperCase()}${done.slice(1)}.`);
  } catch (refusal) {
    note(refusal.message, "bad");
    if (refusal.status === 401) {
      showLogin();
    }
  }
}

for (const button of document.querySelectorAll("[data-one]")) {
  const [title, text] = {
    "drain-connection": ["Drain this connection?", "It ends after its open requests."],
    "close-connection": ["Close this connection?", "It is closed at once."],
    block: ["Block its address?", "All its connections are closed, and new ones refused for ten minutes."],
  }[button.dataset.one];
  button.addEventListener("click", async () => {
    const [, number] = viewOf(location.hash);
    if (await ask(title, text, button.textContent)) {
      const kind = button.dataset.one;
      const address = button.dataset.peer;
      act(kind === "block" ? { action: kind, address, seconds: 600 } : { action: kind, connection: number });
    }
  });
}

function unblock(address) {
  return act({ action: "unblock", address });
}

for (const button of document.querySelectorAll("[data-action]")) {
  button.addEventListener("click", async () => {
    if (await ask(...QUESTIONS[button.dataset.action])) {
      act({ action: button.dataset.action });
    }
  });
}

at("block-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const address = at("block-address").value.trim();
  const seconds = Number(at("block-seconds").value);
  const text = "Its connections are closed, and new ones refused.";
  if (await ask(`Block ${address}?`, text, "Block")) {
    await act({ action: "block", address, seconds });
    at("block-address").value = "";
  }
});

/* The beginning */

async function open() {
  const token = new URLSearchParams(location.search).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.hash);
    return logIn({ token });
  }
  try {
    begin(await get("/api/session"));
    enter();
  } catch {
    showLogin();
  }
}

open();
