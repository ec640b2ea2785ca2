// What is looked at: the page's URL says all of it.

import { after, keep, one } from "./kept.js";

export const TABS = ["checks", "text", "source", "headers", "data", "diff"];
export const WIDTHS = ["375", "600", "full"];
export const LOOKS = ["light", "inverted", "dark"];
const THEMES = ["auto", "light", "dark"];
/** What stands before a column's name, as in what the server is asked. */
const SET = "set.";

/** The state that a URL means; what it does not say, or says wrongly, is as at first. */
export function read(url = location.href) {
  const given = new URL(url).searchParams;
  const number = (name, most) => {
    const value = Number(given.get(name));
    return Number.isInteger(value) && value > 0 && value <= most ? value : 0;
  };
  const w = given.get("w");
  const wide = number("w", 3000);
  return {
    q: given.get("q") || "",
    row: number("row", 0xffffffff),
    tab: one(TABS, given.get("tab")),
    w: WIDTHS.includes(w) ? w : wide ? String(Math.max(wide, 200)) : "full",
    look: one(LOOKS, given.get("look")),
    images: given.get("images") === "1",
    against: one(["before", "saved"], given.get("against")),
    of: one(["html", "text"], given.get("of")),
    theme: one(THEMES, given.get("theme")),
    set: Object.fromEntries([...given].filter(([name]) => name.startsWith(SET)).map(([name, value]) => [name.slice(SET.length), value])),
  };
}

/** The values that are tried, as a URL has them. */
export const tried = (set) => Object.entries(set).map(([column, value]) => [SET + column, value]);

function write(state) {
  const said = new URLSearchParams();
  if (state.q) said.set("q", state.q);
  if (state.row) said.set("row", state.row);
  if (state.tab !== TABS[0]) said.set("tab", state.tab);
  if (state.w !== "full") said.set("w", state.w);
  if (state.look !== LOOKS[0]) said.set("look", state.look);
  if (state.images) said.set("images", "1");
  if (state.against !== "before") said.set("against", state.against);
  if (state.of !== "html") said.set("of", state.of);
  if (state.theme !== THEMES[0]) said.set("theme", state.theme);
  for (const [name, value] of tried(state.set)) said.append(name, value);
  const text = said.toString();
  return text ? `/?${text}` : "/";
}

/** Another row is as it is in the file. */
function goes(now, next, change) {
  if (next.row !== now.row && !change.set) next.set = {};
}

export const { state, watch, set } = keep(read, write, goes);

export const nextTheme = () => set({ theme: after(THEMES, state().theme) });
export const nextWidth = () => set({ w: after(WIDTHS, state().w) });
export const nextLook = () => set({ look: after(LOOKS, state().look) });
export const turnImages = () => set({ images: !state().images });
