// What is looked at. All of it is in the page's URL, and nowhere else.

export const TABS = ["html", "text", "source", "headers", "attachments", "request"];
export const WIDTHS = ["375", "600", "full"];
export const GROUPS = ["tag", "run", "request"];
const THEMES = ["auto", "light", "dark"];

const one = (values, value) => (values.includes(value) ? value : values[0]);

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

/** Changes a part of it. With `step`, Back comes here again. */
export function set(change, step = false) {
  const next = { ...now, ...change };
  const url = write(next);
  if (url === write(now)) return;
  history[step ? "pushState" : "replaceState"](null, "", url);
  become(next);
}

export const nextTheme = () => set({ theme: THEMES[(THEMES.indexOf(now.theme) + 1) % THEMES.length] });
export const nextWidth = () => set({ w: WIDTHS[(WIDTHS.indexOf(now.w) + 1) % WIDTHS.length] });

window.addEventListener("popstate", () => become(read()));
