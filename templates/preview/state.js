// What is looked at. All of it is in the page's URL, and nowhere else.

export const TABS = ["checks", "text", "source", "headers", "data", "diff"];
export const WIDTHS = ["375", "600", "full"];
export const LOOKS = ["light", "inverted", "dark"];
const THEMES = ["auto", "light", "dark"];
/** What stands before a column's name, as in what the server is asked. */
const SET = "set.";

const one = (values, value) => (values.includes(value) ? value : values[0]);

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

let now = read();
const watchers = [];

/** What is looked at now. */
export const state = () => now;

/** Calls `watcher(state, before)` after every change. */
export const watch = (watcher) => watchers.push(watcher);

function become(next) {
  const before = now;
  now = next;
  for (const watcher of watchers) watcher(now, before);
}

/** Changes a part of it. With `step`, Back comes here again. Another row is as it is in the file. */
export function set(change, step = false) {
  const next = { ...now, ...change };
  if (next.row !== now.row && !change.set) next.set = {};
  const url = write(next);
  if (url === write(now)) return;
  history[step ? "pushState" : "replaceState"](null, "", url);
  become(next);
}

const after = (values, value) => values[(values.indexOf(value) + 1) % values.length];
export const nextTheme = () => set({ theme: after(THEMES, now.theme) });
export const nextWidth = () => set({ w: after(WIDTHS, now.w) });
export const nextLook = () => set({ look: after(LOOKS, now.look) });
export const turnImages = () => set({ images: !now.images });

window.addEventListener("popstate", () => become(read()));
