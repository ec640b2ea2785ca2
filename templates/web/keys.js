// What is typed, and the theme.

import * as dialog from "./dialog.js";
import { byId } from "./dom.js";

/** How long after a letter the search begins, in milliseconds. */
const PAUSE = 150;

/** How long a click in a frame may take, and how long it has the keys after Ctrl, in milliseconds. */
const CLICK = 300;
const COPYING = 1500;

/** Does what a key is for, unless it has a meaning of its own where the focus is. */
export function onKeys(keys, escape, isTaken) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.isOpen()) return;
    if (event.key === "Escape") {
      event.preventDefault();
      escape();
      return;
    }
    const action = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!action || isTaken(event)) return;
    event.preventDefault();
    action();
  });
  takeBack();
}

/**
 * Keys that are pressed in a frame stay in it, so after a click there the list gets them back. Who goes
 * there by Tab stays there; and Ctrl goes there, for what is selected in it is copied there.
 */
function takeBack() {
  let last = "";
  let clicked = null;
  const isCopying = () => last === "Control" || last === "Meta";
  document.addEventListener("keydown", ({ key }) => {
    last = key;
    const frame = byId("frame");
    if (isCopying() && frame && frame === clicked && document.activeElement === byId("list")) frame.focus();
  });
  document.addEventListener("pointerdown", () => {
    clicked = null;
    last = "";
  });
  window.addEventListener("blur", () => {
    const frame = byId("frame");
    if (!frame || document.activeElement !== frame || last === "Tab") return;
    const wait = isCopying() ? COPYING : CLICK;
    clicked = frame;
    last = "";
    setTimeout(() => document.activeElement === frame && byId("list").focus(), wait);
  });
}

/** What is typed into the search becomes `q`. */
export function searchAs(search, set) {
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => set({ q: search.value.trim() }), PAUSE);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(typing);
      set({ q: search.value.trim() }, true);
      byId("list").focus();
    }
  });
}

/** The page in a theme: `auto` is as the system has it. */
export function applyTheme({ theme }) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
