// Elements are made here alone, and of text alone: nothing is ever parsed as HTML.

/** The element of an ID. */
export const byId = (id) => document.getElementById(id);

/** An element with properties (`class`, `on…` functions, `data-…` and `aria-…`) and children, which are nodes or text. */
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

/** Puts children in the place of those that an element has; what is nothing is left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** A picture of lines; `d` is always one of the page's own. */
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

/** Text that a message brings: what turns writing around stays inside. */
export const data = (text, props = {}) => el("bdi", props, text);

const two = (number) => String(number).padStart(2, "0");
const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

/** When, short: the time today, the day before that. */
export function shortTime(millis, now = new Date()) {
  const at = new Date(millis);
  if (at.toDateString() === now.toDateString()) return clock(at);
  const day = { day: "numeric", month: "short" };
  if (at.getFullYear() !== now.getFullYear()) day.year = "numeric";
  return at.toLocaleDateString("en-GB", day);
}

/** When, to the second. */
export function longTime(millis) {
  const at = new Date(millis);
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${clock(at)}:${two(at.getSeconds())}`;
}

export const number = (value) => value.toLocaleString("en");

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A mailbox as text. */
export const mailbox = ({ name, address }) => (name ? `${name} <${address}>` : address);

/** The status of a message. */
export const chip = (status) => el("span", { class: "chip", "data-status": status }, status);
