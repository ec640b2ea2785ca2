// What the server is asked. Every answer is JSON or text, and is shown as text.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** An answer that is no success; its message is for people. */
export class Refused extends Error {}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The gateway can't be reached.");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  const words = said.error || said.message;
  throw new Refused(typeof words === "string" ? words : `The gateway answered ${answer.status}.`);
}

const query = (fields) => {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(set).toString();
};
const path = (uid, rest = "") => `/inbox/m/${encodeURIComponent(uid)}${rest}`;
// A page of another origin can't send this header.
const change = (method) => ({ method, headers: { "X-Mailrun": "inbox" } });

export const about = () => ask("/inbox/about").then((it) => it.json());
export const messages = (q, fields = {}, signal) =>
  ask(`/inbox/messages?${query({ q, zone, ...fields })}`, { signal }).then((it) => it.json());
export const count = (q, signal) =>
  ask(`/inbox/count?${query({ q, zone })}`, { signal }).then((it) => it.json());
export const groups = (by) => ask(`/inbox/groups?${query({ by })}`).then((it) => it.json());
export const message = (uid, signal) => ask(path(uid), { signal }).then((it) => it.json());
export const source = (uid, signal) => ask(path(uid, "/source"), { signal }).then((it) => it.text());
export const request = (uid, signal) => ask(path(uid, "/request"), { signal }).then((it) => it.json());
export const setUnread = (uid, unread) => ask(path(uid, `/${unread ? "unread" : "read"}`), change("POST"));
export const remove = (uid) => ask(path(uid), change("DELETE"));
export const removeAll = (q) =>
  ask(`/inbox/messages?${query({ q, zone })}`, change("DELETE")).then((it) => it.json());

export const frame = (uid, images) => path(uid, images ? "/html?images=1" : "/html");
export const eml = (uid) => path(uid, "/eml");
export const part = (uid, place) => path(uid, `/parts/${place}`);
