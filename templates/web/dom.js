// Creates elements from text only. Nothing is ever parsed as HTML.

export const byId = (id) => document.getElementById(id);

/** An element with properties (`class`, `on…` functions, attributes) and children, which are nodes or text. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return fill(element, ...children);
}

/** Replaces the children of an element; undefined, null and false are left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** An icon with one path. `d` is always a constant of the page. */
export function icon(d) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", d);
  svg.append(path);
  return svg;
}

export const CLIP = "M11.5 7.5 7 12a2.5 2.5 0 0 1-3.6-3.6l5.4-5.3a1.7 1.7 0 0 1 2.4 2.4L6 10.7a.8.8 0 0 1-1.2-1.2L9 5.3";

/** Untrusted text. The element isolates its writing direction from the rest of the page. */
export const bdi = (text, props = {}) => el("bdi", props, text);

const twoDigits = (number) => String(number).padStart(2, "0");
const clock = (date) => `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;

/** The time of day if it is today, otherwise the date. */
export function shortTime(millis, now = new Date()) {
  const date = new Date(millis);
  if (date.toDateString() === now.toDateString()) return clock(date);
  const format = { day: "numeric", month: "short" };
  if (date.getFullYear() !== now.getFullYear()) format.year = "numeric";
  return date.toLocaleDateString("en-GB", format);
}

/** The date and the time, to the second. */
export function longTime(millis) {
  const date = new Date(millis);
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
  return `${day} ${clock(date)}:${twoDigits(date.getSeconds())}`;
}

export const number = (value) => value.toLocaleString("en");

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export const mailbox = ({ name, address }) => (name ? `${name} <${address}>` : address);

/** The status of a message. */
export const chip = (status) => el("span", { class: "chip", "data-status": status }, status);
