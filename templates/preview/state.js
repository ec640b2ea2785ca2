// The state of the page, all of it in the URL.

import { createUrlState, nextOf, oneOf } from "./url_state.js";

export const TABS = ["checks", "text", "source", "headers", "data", "diff"];
export const WIDTHS = ["375", "600", "full"];
export const LOOKS = ["light", "inverted", "dark"];
const THEMES = ["auto", "light", "dark"];
/** The prefix of a column name, as in requests to the server. */
const SET = "set.";

/** The state in a URL. Missing and invalid fields get their defaults. */
export function read(url = location.href) {
  const fields = new URL(url).searchParams;
  const number = (name, max) => {
    const value = Number(fields.get(name));
    return Number.isInteger(value) && value > 0 && value <= max ? value : 0;
  };
  const w = fields.get("w");
  const wide = number("w", 3000);
  return {
    q: fields.get("q") || "",
    row: number("row", 0xffffffff),
    tab: oneOf(TABS, fields.get("tab")),
    w: WIDTHS.includes(w) ? w : wide ? String(Math.max(wide, 200)) : "full",
    look: oneOf(LOOKS, fields.get("look")),
    images: fields.get("images") === "1",
    against: oneOf(["before", "saved"], fields.get("against")),
    of: oneOf(["html", "text"], fields.get("of")),
    theme: oneOf(THEMES, fields.get("theme")),
    set: Object.fromEntries([...fields].filter(([name]) => name.startsWith(SET)).map(([name, value]) => [name.slice(SET.length), value])),
  };
}

/** Replaced cells as URL fields. */
export const setFields = (set) => Object.entries(set).map(([column, value]) => [SET + column, value]);

function write(state) {
  const fields = new URLSearchParams();
  if (state.q) fields.set("q", state.q);
  if (state.row) fields.set("row", state.row);
  if (state.tab !== TABS[0]) fields.set("tab", state.tab);
  if (state.w !== "full") fields.set("w", state.w);
  if (state.look !== LOOKS[0]) fields.set("look", state.look);
  if (state.images) fields.set("images", "1");
  if (state.against !== "before") fields.set("against", state.against);
  if (state.of !== "html") fields.set("of", state.of);
  if (state.theme !== THEMES[0]) fields.set("theme", state.theme);
  for (const [name, value] of setFields(state.set)) fields.append(name, value);
  const text = fields.toString();
  return text ? `/?${text}` : "/";
}

/** Drops replaced cells when another row is opened. */
function dropSetOnMove(now, next, change) {
  if (next.row !== now.row && !change.set) next.set = {};
}

export const { state, watch, set } = createUrlState(read, write, dropSetOnMove);

export const nextTheme = () => set({ theme: nextOf(THEMES, state().theme) });
export const nextWidth = () => set({ w: nextOf(WIDTHS, state().w) });
export const nextLook = () => set({ look: nextOf(LOOKS, state().look) });
export const toggleImages = () => set({ images: !state().images });
