// Requests to the server.

import { queryString, request } from "./fetch.js";
import { setFields } from "./state.js";

const json = (path, signal) => request(path, { signal }).then((it) => it.json());
const path = (row, rest, set, fields = {}) => {
  const all = new URLSearchParams([...setFields(set), ...Object.entries(fields).filter(([, value]) => value)]);
  const text = all.toString();
  return `/preview/m/${row}${rest}${text ? `?${text}` : ""}`;
};

export const about = () => json("/preview/about");
export const rows = (fields, signal) => json(`/preview/rows?${queryString(fields)}`, signal);
export const scan = (fields, signal) => json(`/preview/scan?${queryString(fields)}`, signal);
export const message = (row, set, signal) => json(path(row, "", set), signal);
export const headers = (row, set, signal) => json(path(row, "/headers", set), signal);
export const diff = (row, set, fields, signal) => json(path(row, "/diff", set, fields), signal);
export const source = (row, set, signal) => request(path(row, "/source", set), { signal }).then((it) => it.text());

export const frame = (row, set, look, images, version) => path(row, "/html", set, { look, images: images ? "1" : "", v: version });
export const eml = (row, set) => path(row, "/eml", set);
