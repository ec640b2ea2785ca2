// The status at the top: whether the page follows saves, or for a moment a message.

import { byId } from "./dom.js";

/** How long a message is shown, in milliseconds. */
const DURATION = 1500;
const live = byId("live");
let connected = null;
let timer = 0;

function show() {
  live.textContent = connected === null ? "" : connected ? "Live" : "Not connected";
}

/** Sets whether the page is connected to the server. */
export function connection(isConnected) {
  connected = isConnected;
  live.dataset.live = isConnected ? "yes" : "no";
  if (!timer) show();
}

/** Shows a message for a moment. */
export function announce(text) {
  clearTimeout(timer);
  live.textContent = text;
  timer = setTimeout(() => {
    timer = 0;
    show();
  }, DURATION);
}
