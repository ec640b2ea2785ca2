// The JSON API of the inbox, described in src/gateway/inbox/mod.rs.

import { queryString, request as fetchPath } from "./fetch.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const path = (uid, rest = "") => `/inbox/m/${encodeURIComponent(uid)}${rest}`;
const json = (path, options) => fetchPath(path, options).then((response) => response.json());
// A page of another origin can't send this header.
const action = (method) => ({ method, headers: { "X-Mailrun": "inbox" } });

export const about = () => json("/inbox/about");
export const messages = (q, params = {}) => json(`/inbox/messages?${queryString({ q, zone, ...params })}`);
export const count = (q, signal) => json(`/inbox/count?${queryString({ q, zone })}`, { signal });
export const groups = (by) => json(`/inbox/groups?${queryString({ by })}`);
export const message = (uid, signal) => json(path(uid), { signal });
export const source = (uid, signal) => fetchPath(path(uid, "/source"), { signal }).then((response) => response.text());
export const request = (uid, signal) => json(path(uid, "/request"), { signal });
export const setUnread = (uid, unread) => fetchPath(path(uid, unread ? "/unread" : "/read"), action("POST"));
export const remove = (uid) => fetchPath(path(uid), action("DELETE"));
export const removeAll = (q) => json(`/inbox/messages?${queryString({ q, zone })}`, action("DELETE"));

export const frame = (uid, images) => path(uid, images ? "/html?images=1" : "/html");
export const eml = (uid) => path(uid, "/eml");
export const part = (uid, index) => path(uid, `/parts/${index}`);
