// The page put together: what it starts with, its keys, and what is saved.

import * as api from "./api.js";
import { byId, el, fill } from "./dom.js";
import { help } from "./help.js";
import { applyTheme, onKeys, searchAs } from "./keys.js";
import * as list from "./list.js";
import { connection } from "./live.js";
import * as message from "./message.js";
import { copy, finding } from "./panels.js";
import { nextLook, nextTheme, nextWidth, set, state, TABS, turnImages, watch } from "./state.js";

const search = byId("search");
const filter = byId("filter");

// ---- what is typed

searchAs(search, set);

function escape() {
  const typed = document.activeElement === search;
  const inside = ["message", "side"].some((id) => byId(id).contains(document.activeElement));
  list.stop();
  if (typed && search.value) set({ q: "" });
  else if (inside ? matchMedia("(max-width: 720px)").matches : !typed && state().row) set({ row: 0 }, true);
  if (typed) search.value = state().q;
  byId("list").focus();
}

const KEYS = {
  j: () => list.move(1),
  k: () => list.move(-1),
  ArrowDown: () => list.move(1),
  ArrowUp: () => list.move(-1),
  Home: () => list.open(0),
  End: () => list.open(list.size() - 1),
  Enter: () => (state().row ? byId("panel")?.focus() : list.move(1)),
  "/": () => search.select(),
  "?": help,
  r: list.random,
  e: list.nextFinding,
  w: nextWidth,
  d: nextLook,
  i: turnImages,
  c: copy,
  t: nextTheme,
};
TABS.forEach((tab, place) => {
  KEYS[place + 1] = () => set({ tab });
});

/** Keys that have a meaning of their own where the focus is. */
function isTaken(event) {
  const on = event.target;
  if (on.matches("input:not([type=checkbox]), textarea, select")) return true;
  const moves = ["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key);
  if (moves && (byId("message").contains(on) || byId("side").contains(on))) return true;
  return event.key === "Enter" && on.matches("button, a, summary");
}

onKeys(KEYS, escape, isTaken);

// ---- filters to choose

const quoted = (name) => (/[\s":]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

function offer(columns) {
  const option = (value, text) => el("option", { value }, text);
  const names = columns.map(({ name }) => name);
  const group = (label, word) => el("optgroup", { label }, ...names.map((name) => option(`${word}:${quoted(name)}`, name)));
  fill(
    filter,
    option("", "Filter…"),
    option("has:findings", "with findings"),
    option("has:errors", "with errors"),
    group("Missing", "missing"),
    group("Longest", "longest"),
    group("Shortest", "shortest"),
  );
}
filter.addEventListener("change", () => {
  if (filter.value) set({ q: filter.value }, true);
  filter.value = "";
  byId("list").focus();
});

// ---- the campaign, and when it is saved

let known = "";

async function refresh() {
  const it = await api.about().catch(() => null);
  if (!it) return;
  const saved = known && known !== it.version;
  known = it.version;
  message.know(it);
  if (it.title) {
    byId("title").textContent = it.title;
    document.title = `${it.title} – mailrun preview`;
  }
  offer(it.columns);
  const broken = byId("broken");
  broken.hidden = it.broken.length === 0;
  const words = it.title ? "The campaign has errors since it was saved; what is shown is from before." : "The campaign has errors.";
  fill(broken, el("h2", {}, words), ...it.broken.map(finding));
  if (saved) await Promise.allSettled([list.reload(true), message.load()]);
}

let events = null;

/** Listens while the page is seen: a browser has few connections for all pages of an origin. */
function listen() {
  events?.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("/preview/events");
  events.addEventListener("open", () => connection(true));
  events.addEventListener("saved", (event) => {
    if (known && event.data !== known) refresh();
  });
  events.addEventListener("error", () => connection(false));
}

watch((now, old) => {
  if (now.theme !== old.theme) applyTheme(state());
  if (now.q !== old.q && document.activeElement !== search) search.value = now.q;
});

document.addEventListener("visibilitychange", listen);
window.addEventListener("pagehide", () => events?.close());
window.addEventListener("pageshow", (event) => event.persisted && listen());
byId("theme-button").addEventListener("click", nextTheme);

applyTheme(state());
search.value = state().q;
await refresh();
listen();
await list.reload();
message.load();
