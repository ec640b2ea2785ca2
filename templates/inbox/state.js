// What is looked at: the page's URL says all of it.

import { after, keep, one } from "./kept.js";

export const TABS = ["html", "text", "source", "headers", "attachments", "request"];
export const WIDTHS = ["375", "600", "full"];
export const GROUPS = ["tag", "run", "request"];
const THEMES = ["auto", "light", "dark"];

/** The state that a URL means; what it does not say, or says wrongly, is as at first. */
export function read(url = location.href) {
  const given = new URL(url).searchParams;
  const uid = given.get("m") || "";
  return {
    q: given.get("q") || "",
    m: /^[0-9a-f]{32}$/.test(uid) ? uid : "",
    tab: TABS.includes(given.get("tab")) ? given.get("tab") : "",
    w: WIDTHS.includes(given.get("w")) ? given.get("w") : "full",
    images: given.get("images") === "1",
    by: one(GROUPS, given.get("by")),
    theme: one(THEMES, given.get("theme")),
  };
}

function write(state) {
  const said = new URLSearchParams();
  if (state.q) said.set("q", state.q);
  if (state.m) said.set("m", state.m);
  if (state.tab) said.set("tab", state.tab);
  if (state.w !== "full") said.set("w", state.w);
  if (state.images) said.set("images", "1");
  if (state.by !== GROUPS[0]) said.set("by", state.by);
  if (state.theme !== THEMES[0]) said.set("theme", state.theme);
  const text = said.toString();
  return text ? `/?${text}` : "/";
}

export const { state, watch, set } = keep(read, write);

export const nextTheme = () => set({ theme: after(THEMES, state().theme) });
export const nextWidth = () => set({ w: after(WIDTHS, state().w) });
