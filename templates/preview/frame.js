// The message as HTML, in a frame that can do nothing.

import * as api from "./api.js";
import { el, size } from "./dom.js";
import { LOOKS, set, state, WIDTHS } from "./state.js";

const NAMES = { light: "Light", inverted: "Inverted", dark: "Dark" };
const TITLES = { light: "As in light mode", inverted: "As mail clients turn colours around", dark: "The message's own styles for dark mode" };
const LEAST = 200;
const MOST = 3000;

const press = (text, pressed, title, onclick) => el("button", { type: "button", "aria-pressed": pressed ? "true" : "false", title, onclick }, text);

/** The frame, anew: what is in one has no say in the history. */
export function framed(row, version) {
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

/** What is chosen about it. */
export function tools(message) {
  const { w, look, images } = state();
  const input = el("input", { type: "checkbox", id: "images", onchange: (event) => set({ images: event.target.checked }) });
  input.checked = images;
  return el(
    "div",
    { class: "tools" },
    el("span", { class: "widths", role: "group", "aria-label": "Width in pixels (w)" }, ...WIDTHS.map((name) => press(name === "full" ? "Full" : name, name === w, "Width (w)", () => set({ w: name })))),
    el("span", { class: "widths looks", role: "group", "aria-label": "Colours (d)" }, ...LOOKS.map((name) => press(NAMES[name], name === look, `${TITLES[name]} (d)`, () => set({ look: name })))),
    el("label", { title: "Load them from where they are (i): their servers see that" }, input, " Remote images"),
    el("span", { class: "size" }, WIDTHS.includes(w) ? "" : `${w} px · `, message.html === null ? "" : size(message.html)),
  );
}

/** The handle by which the frame's width is drawn. */
export function grip(frame) {
  const width = () => Math.round(frame().getBoundingClientRect().width);
  const become = (wide) => Math.max(LEAST, Math.min(MOST, Math.round(wide)));
  const handle = el("div", {
    id: "grip",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-label": "Width of the message",
    "aria-valuemin": LEAST,
    "aria-valuemax": MOST,
    "aria-valuenow": state().w === "full" ? 600 : state().w,
    title: "Draw to another width",
  });
  let from = null;
  handle.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, width: width() };
    handle.setPointerCapture(event.pointerId);
    // What goes over the frame would be the frame's.
    document.body.dataset.drawing = "";
    handle.focus();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!from) return;
    // The frame is in the middle, so it grows on both sides.
    const wide = become(from.width + 2 * (event.clientX - from.x));
    frame().dataset.width = String(wide);
    frame().style.setProperty("--width", `${wide}px`);
    handle.setAttribute("aria-valuenow", wide);
  });
  const drawn = () => {
    delete document.body.dataset.drawing;
    if (from) set({ w: String(become(width())) });
    from = null;
  };
  handle.addEventListener("pointerup", drawn);
  handle.addEventListener("pointercancel", drawn);
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -20, ArrowRight: 20 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    set({ w: String(become(width() + by)) });
  });
  return handle;
}
