// Requests to the panel's API, and the session that they belong to.

export const session = { user: "", token: "", readOnly: false };

/** An answer that is no success. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function answer(response) {
  const content = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Refusal(response.status, content.error || `status ${response.status}`);
  }
  return content;
}

/** Gets what a path of the API has. */
export async function get(path) {
  return answer(await fetch(path, { headers: { accept: "application/json" } }));
}

/** Posts JSON, with the session's token if there is one. */
export async function post(path, content) {
  const headers = { "content-type": "application/json" };
  if (session.token) {
    headers["x-calmd-token"] = session.token;
  }
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(content) }));
}

/** Remembers the session of an answer. */
export function begin(text) {
  Object.assign(session, { user: text.user, token: text.token, readOnly: text.read_only });
}
