// The message's HTML in a sandboxed frame.

import * as api from "./api.js";
import { el, size } from "./dom.js";
import { LOOKS, set, state, WIDTHS } from "./state.js";

const NAMES = { light: "Light", inverted: "Inverted", dark: "Dark" };
const TITLES = { light: "Light mode", inverted: "As mail clients invert colours in dark mode", dark: "The message's own dark mode styles" };
const MIN_WIDTH = 200;
const MAX_WIDTH = 3000;

const toggle = (text, pressed, title, onclick) => el("button", { type: "button", "aria-pressed": pressed ? "true" : "false", title, onclick }, text);

/** A new frame. Replacing the frame instead of its URL keeps it out of the history. */
export function createFrame(row, version) {
  const { w, look, images, set: values } = state();
  const frame = el("iframe", {
    id: "frame",
    title: "The message as HTML",
    sandbox: "allow-popups allow-popups-to-escape-sandbox",
    referrerpolicy: "no-referrer",
    src: api.frame(row, values, look, images, version),
    "data-width": w,
    "data-look": look,
  });
  if (w !== "full") frame.style.setProperty("--width", `${w}px`);
  return frame;
}

/** The controls of the frame. */
export function tools(message) {
  const { w, look, images } = state();
  const input = el("input", { type: "checkbox", id: "images", onchange: (event) => set({ images: event.target.checked }) });
  input.checked = images;
  return el(
    "div",
    { class: "tools" },
    el("span", { class: "widths", role: "group", "aria-label": "Width in pixels (w)" }, ...WIDTHS.map((name) => toggle(name === "full" ? "Full" : name, name === w, "Width (w)", () => set({ w: name })))),
    el("span", { class: "widths looks", role: "group", "aria-label": "Colours (d)" }, ...LOOKS.map((name) => toggle(NAMES[name], name === look, `${TITLES[name]} (d)`, () => set({ look: name })))),
    el("label", { title: "Load remote images (i). Their servers can see the request" }, input, " Remote images"),
    el("span", { class: "size" }, WIDTHS.includes(w) ? "" : `${w} px · `, message.html === null ? "" : size(message.html)),
  );
}

/** The handle that resizes the frame. */
export function grip(frame) {
  const width = () => Math.round(frame().getBoundingClientRect().width);
  const clamp = (wide) => Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, Math.round(wide)));
  const handle = el("div", {
    id: "grip",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-label": "Width of the message",
    "aria-valuemin": MIN_WIDTH,
    "aria-valuemax": MAX_WIDTH,
    "aria-valuenow": state().w === "full" ? 600 : state().w,
    title: "Drag to resize",
  });
  let from = null;
  handle.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, width: width() };
    handle.setPointerCapture(event.pointerId);
    // Without this, the frame would receive the pointer events over it.
    document.body.dataset.resizing = "";
    handle.focus();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!from) return;
    // The frame is centred, so it grows on both sides.
    const wide = clamp(from.width + 2 * (event.clientX - from.x));
    frame().dataset.width = String(wide);
    frame().style.setProperty("--width", `${wide}px`);
    handle.setAttribute("aria-valuenow", wide);
  });
  const resized = () => {
    delete document.body.dataset.resizing;
    if (from) set({ w: String(clamp(width())) });
    from = null;
  };
  handle.addEventListener("pointerup", resized);
  handle.addEventListener("pointercancel", resized);
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -20, ArrowRight: 20 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    set({ w: String(clamp(width() + by)) });
  });
  return handle;
}
