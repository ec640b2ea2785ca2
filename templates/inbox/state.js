// The state of the page: all of it is in the URL.

import { createUrlState, nextOf, oneOf } from "./url_state.js";

export const TABS = ["html", "text", "source", "headers", "attachments", "request"];
export const WIDTHS = ["375", "600", "full"];
export const GROUPS = ["tag", "run", "request"];
const THEMES = ["auto", "light", "dark"];

/** Missing and invalid parameters get their defaults. */
export function read(url = location.href) {
  const params = new URL(url).searchParams;
  const uid = params.get("m") || "";
  return {
    q: params.get("q") || "",
    m: /^[0-9a-f]{32}$/.test(uid) ? uid : "",
    tab: TABS.includes(params.get("tab")) ? params.get("tab") : "",
    w: WIDTHS.includes(params.get("w")) ? params.get("w") : "full",
    images: params.get("images") === "1",
    by: oneOf(GROUPS, params.get("by")),
    theme: oneOf(THEMES, params.get("theme")),
  };
}

function write(state) {
  const params = new URLSearchParams();
  if (state.q) params.set("q", state.q);
  if (state.m) params.set("m", state.m);
  if (state.tab) params.set("tab", state.tab);
  if (state.w !== "full") params.set("w", state.w);
  if (state.images) params.set("images", "1");
  if (state.by !== GROUPS[0]) params.set("by", state.by);
  if (state.theme !== THEMES[0]) params.set("theme", state.theme);
  const query = params.toString();
  return query ? `/?${query}` : "/";
}

export const { state, watch, set } = createUrlState(read, write);

export const nextTheme = () => set({ theme: nextOf(THEMES, state().theme) });
export const nextWidth = () => set({ w: nextOf(WIDTHS, state().w) });
