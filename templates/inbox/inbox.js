// The page put together: what it starts with, its keys, and what arrives.

import * as api from "./api.js";
import * as dialog from "./dialog.js";
import { byId, el, number } from "./dom.js";
import * as groups from "./groups.js";
import { help } from "./help.js";
import { applyTheme, onKeys, searchAs } from "./keys.js";
import * as list from "./list.js";
import * as message from "./message.js";
import { nextTheme, nextWidth, set, state, TABS, watch } from "./state.js";

const search = byId("search");
let writable = false;

// ---- what is typed

searchAs(search, set);

function enter() {
  if (!state().m) list.move(1);
  else byId("panel")?.focus();
}

function escape() {
  const typed = document.activeElement === search;
  const inside = byId("message").contains(document.activeElement);
  if (document.body.classList.contains("with-groups")) groups.show(false);
  else if (typed && search.value) set({ q: "" });
  else if (!typed && !inside && state().m) set({ m: "" }, true);
  else if (inside && matchMedia("(max-width: 720px)").matches) set({ m: "" }, true);
  if (typed) search.value = state().q;
  byId("list").focus();
}

const KEYS = {
  j: () => list.move(1),
  k: () => list.move(-1),
  ArrowDown: () => list.move(1),
  ArrowUp: () => list.move(-1),
  Home: () => list.open(0),
  Enter: enter,
  "/": () => search.select(),
  "?": help,
  u: () => message.setUnread(!message.current()?.unread),
  d: remove,
  Delete: remove,
  e: () => byId("eml")?.click(),
  w: nextWidth,
  i: message.turnImages,
  g: () => groups.show(),
  t: nextTheme,
};
TABS.forEach((tab, place) => {
  KEYS[place + 1] = () => message.choose(tab);
});

/** Keys that have a meaning of their own where the focus is. */
function isTaken(event) {
  const on = event.target;
  if (on.matches("input, textarea, select")) return true;
  const moves = ["ArrowDown", "ArrowUp", "Home"].includes(event.key);
  if (moves && byId("message").contains(on)) return true;
  return event.key === "Enter" && on.matches("button, a, summary");
}

onKeys(KEYS, escape, isTaken);

// ---- deleting

async function remove() {
  const open = message.current();
  if (!open || !writable) return;
  const wanted = await dialog.confirmed("Delete this message?", `“${open.subject || "(no subject)"}” to ${open.to.address}. It can't be undone.`, "Delete");
  if (!wanted) return;
  try {
    await api.remove(open.uid);
    list.drop(open.uid);
  } catch (error) {
    dialog.tell(error.message);
  }
}

async function removeAll() {
  const { q } = state();
  try {
    const { matches, capped } = await api.count(q);
    const all = `${capped ? "more than " : ""}${number(matches)} ${matches === 1 ? "message" : "messages"}`;
    const what = q ? `Delete ${all} that “${q}” finds?` : `Delete all ${all}?`;
    const wanted = await dialog.confirmed(what, "Messages that still wait for an SMTP server stay. It can't be undone.", "Delete all");
    if (!wanted) return;
    const { kept } = await api.removeAll(q);
    set({ m: "" });
    await list.reload();
    groups.load();
    if (kept) dialog.tell(`${number(kept)} that still wait for an SMTP server stay.`);
  } catch (error) {
    dialog.tell(error.message);
  }
}

byId("message").addEventListener("delete", remove);
byId("delete-all").addEventListener("click", removeAll);
byId("theme-button").addEventListener("click", nextTheme);

// ---- nothing there

byId("list").addEventListener("counted", ({ detail: { total, matches } }) => {
  const empty = byId("empty");
  empty.hidden = matches > 0;
  byId("list").hidden = matches === 0;
  document.body.toggleAttribute("data-empty", total === 0 && !state().m);
  byId("delete-all").hidden = !writable || matches === 0;
  if (matches > 0) return;
  empty.replaceChildren(...(total > 0 ? nothingFound() : nothingYet()));
});

const nothingFound = () => [
  el("h2", {}, "Nothing found"),
  el("p", {}, "All words of a search must be in a message. ", el("kbd", {}, "?"), " shows what can be searched for."),
  el("button", { type: "button", class: "quiet", onclick: () => set({ q: "" }, true) }, "Show all messages"),
];

function nothingYet() {
  if (!writable) return [el("h2", {}, "No messages yet"), el("p", {}, "They appear here as the run sends them.")];
  const command = [
    `curl ${location.origin}/api/sendmail -u key:secret \\`,
    "  --data-urlencode 'to[0]=jan@example.com' \\",
    "  --data-urlencode smtp_account=1.acme.smtp \\",
    "  --data-urlencode from=news@acme.example \\",
    "  --data-urlencode 'subject=Hello' \\",
    "  --data-urlencode 'html=<p>Hello, Jan</p>'",
  ].join("\n");
  const copy = el("button", { type: "button", class: "quiet", onclick: () => navigator.clipboard?.writeText(command) }, "Copy");
  return [
    el("h2", {}, "No messages yet"),
    el("p", {}, "Nothing that is sent here leaves this machine, unless a relay is configured. Send one:"),
    el("div", { class: "command" }, el("pre", {}, command), copy),
    el("p", {}, "Or give a program this address in place of the API's: ", el("code", {}, `${location.origin}/api/`)),
    el("p", {}, "A mailrun campaign has it in campaign.toml, as ", el("code", {}, "url"), " under ", el("code", {}, "[api]"), "."),
  ];
}

// ---- what arrives

const live = byId("live");
let refreshing = false;
/** Something has changed since what is being fetched was asked for. */
let stale = false;
let grouped = 0;

function arrived() {
  stale = true;
  if (refreshing) return;
  refreshing = true;
  setTimeout(async () => {
    stale = false;
    await Promise.allSettled([list.refresh(), message.refresh()]);
    refreshing = false;
    if (stale) arrived();
  }, 150);
  // Groups are counted over all messages: seldom.
  if (!grouped) {
    grouped = setTimeout(() => {
      grouped = 0;
      groups.load();
    }, 2000);
  }
}

let events = null;

/** Listens while the page is seen: a browser has few connections for all pages of an origin. */
function listen() {
  events?.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("/inbox/events");
  events.addEventListener("open", () => {
    live.textContent = "Live";
    live.dataset.live = "yes";
  });
  events.addEventListener("changed", arrived);
  events.addEventListener("error", () => {
    live.textContent = "Not connected";
    live.dataset.live = "no";
  });
}

watch((now, before) => {
  if (now.theme !== before.theme) applyTheme(state());
  if (now.q !== before.q && document.activeElement !== search) search.value = now.q;
});

document.addEventListener("visibilitychange", listen);
window.addEventListener("pagehide", () => events?.close());
window.addEventListener("pageshow", (event) => event.persisted && listen());

applyTheme(state());
search.value = state().q;
listen();
const it = await api.about().catch(() => null);
if (it) {
  writable = it.writable;
  message.allow(writable);
  byId("title").textContent = it.title;
}
await list.reload();
groups.load();
message.load();
