// The keyboard, the search box and the theme.

import * as dialog from "./dialog.js";
import { byId } from "./dom.js";

/** How long after the last letter the search starts, in milliseconds. */
const SEARCH_DELAY = 150;

/** How long a frame keeps the focus after a click, and after a click with Ctrl, in milliseconds. */
const CLICK_FOCUS = 300;
const COPY_FOCUS = 1500;

/** Runs the action of a key, unless the focused element handles the key itself. */
export function onKeys(actions, escape, isTaken) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.isOpen()) return;
    if (event.key === "Escape") {
      event.preventDefault();
      escape();
      return;
    }
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action || isTaken(event)) return;
    event.preventDefault();
    action();
  });
  returnFocus();
}

/**
 * The page can't see the keys that are pressed in a frame, so the list gets the focus back after a click
 * into the frame. The frame keeps a focus that came by Tab. Pressing Ctrl moves the focus back into the
 * frame, so that its selection can be copied.
 */
function returnFocus() {
  let lastKey = "";
  let clicked = null;
  const isCopying = () => lastKey === "Control" || lastKey === "Meta";
  document.addEventListener("keydown", ({ key }) => {
    lastKey = key;
    const frame = byId("frame");
    if (isCopying() && frame && frame === clicked && document.activeElement === byId("list")) frame.focus();
  });
  document.addEventListener("pointerdown", () => {
    clicked = null;
    lastKey = "";
  });
  window.addEventListener("blur", () => {
    const frame = byId("frame");
    if (!frame || document.activeElement !== frame || lastKey === "Tab") return;
    const delay = isCopying() ? COPY_FOCUS : CLICK_FOCUS;
    clicked = frame;
    lastKey = "";
    setTimeout(() => document.activeElement === frame && byId("list").focus(), delay);
  });
}

/** Sets the state's `q` to the text of the search box. */
export function bindSearch(input, set) {
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => set({ q: input.value.trim() }), SEARCH_DELAY);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(timer);
      set({ q: input.value.trim() }, true);
      byId("list").focus();
    }
  });
}

/** `auto` follows the system. */
export function applyTheme({ theme }) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
