// Starts the page: its keys, its filters, and the reload after a save.

import * as api from "./api.js";
import { byId, el, fill } from "./dom.js";
import { help } from "./help.js";
import { applyTheme, bindSearch, onKeys } from "./keys.js";
import * as list from "./list.js";
import { connection } from "./live.js";
import * as message from "./message.js";
import { copy, finding } from "./panels.js";
import { nextLook, nextTheme, nextWidth, set, state, TABS, toggleImages, watch } from "./state.js";

const search = byId("search");
const filter = byId("filter");

// ---- keyboard

bindSearch(search, set);

function escape() {
  const inSearch = document.activeElement === search;
  const inside = ["message", "side"].some((id) => byId(id).contains(document.activeElement));
  list.stop();
  if (inSearch && search.value) set({ q: "" });
  else if (inside ? matchMedia("(max-width: 720px)").matches : !inSearch && state().row) set({ row: 0 }, true);
  if (inSearch) search.value = state().q;
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
  i: toggleImages,
  c: copy,
  t: nextTheme,
};
TABS.forEach((tab, place) => {
  KEYS[place + 1] = () => set({ tab });
});

/** Whether the focused element handles a key itself. */
function isHandled(event) {
  const on = event.target;
  if (on.matches("input:not([type=checkbox]), textarea, select")) return true;
  const moves = ["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key);
  if (moves && (byId("message").contains(on) || byId("side").contains(on))) return true;
  return event.key === "Enter" && on.matches("button, a, summary");
}

onKeys(KEYS, escape, isHandled);

// ---- filters

const quoted = (name) => (/[\s":]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

function fillFilter(columns) {
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

// ---- the campaign

let version = "";

async function refresh() {
  const about = await api.about().catch(() => null);
  if (!about) return;
  const saved = version && version !== about.version;
  version = about.version;
  message.setCampaign(about);
  if (about.title) {
    byId("title").textContent = about.title;
    document.title = `${about.title} – mailrun preview`;
  }
  fillFilter(about.columns);
  const broken = byId("broken");
  broken.hidden = about.broken.length === 0;
  const text = about.title ? "The saved campaign has errors. This page shows the last version without errors." : "The campaign has errors.";
  fill(broken, el("h2", {}, text), ...about.broken.map(finding));
  if (saved) await Promise.allSettled([list.reload(true), message.load()]);
}

let events = null;

/** Listens only while the page is visible: browsers limit the connections to a server. */
function listen() {
  events?.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("/preview/events");
  events.addEventListener("open", () => connection(true));
  events.addEventListener("saved", (event) => {
    if (version && event.data !== version) refresh();
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
