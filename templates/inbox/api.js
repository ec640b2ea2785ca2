// What the server is asked.

import { ask, query } from "./ask.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

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
