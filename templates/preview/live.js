// What stands at the top: whether saves are followed, and for a moment what a key came to.

import { byId } from "./dom.js";

/** How long a word is there, in milliseconds. */
const MOMENT = 1500;
const live = byId("live");
let connected = null;
let telling = 0;

function show() {
  live.textContent = connected === null ? "" : connected ? "Live" : "Not connected";
}

/** Whether saves are followed. */
export function connection(is) {
  connected = is;
  live.dataset.live = is ? "yes" : "no";
  if (!telling) show();
}

/** Says something for a moment. */
export function say(text) {
  clearTimeout(telling);
  live.textContent = text;
  telling = setTimeout(() => {
    telling = 0;
    show();
  }, MOMENT);
}
