// The start of the page, its keys, and the updates while it is open.

import * as api from "./api.js";
import * as dialog from "./dialog.js";
import { byId, el, number } from "./dom.js";
import * as groups from "./groups.js";
import { help } from "./help.js";
import { applyTheme, bindSearch, onKeys } from "./keys.js";
import * as list from "./list.js";
import * as message from "./message.js";
import { nextTheme, nextWidth, set, state, TABS, watch } from "./state.js";

const search = byId("search");
let writable = false;

// ---- the keyboard

bindSearch(search, set);

function enter() {
  if (!state().m) list.move(1);
  else byId("panel")?.focus();
}

function escape() {
  const inSearch = document.activeElement === search;
  const inMessage = byId("message").contains(document.activeElement);
  if (document.body.classList.contains("with-groups")) groups.show(false);
  else if (inSearch && search.value) set({ q: "" });
  else if (!inSearch && !inMessage && state().m) set({ m: "" }, true);
  else if (inMessage && matchMedia("(max-width: 720px)").matches) set({ m: "" }, true);
  if (inSearch) search.value = state().q;
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
  i: message.toggleImages,
  g: () => groups.show(),
  t: nextTheme,
};
TABS.forEach((tab, index) => {
  KEYS[index + 1] = () => message.choose(tab);
});

/** Whether the focused element handles a key itself. */
function isTaken(event) {
  const { key, target } = event;
  if (target.matches("input, textarea, select")) return true;
  if (["ArrowDown", "ArrowUp", "Home"].includes(key) && byId("message").contains(target)) return true;
  return key === "Enter" && target.matches("button, a, summary");
}

onKeys(KEYS, escape, isTaken);

// ---- deleting

async function remove() {
  const open = message.current();
  if (!open || !writable) return;
  const text = `“${open.subject || "(no subject)"}” to ${open.to.address}. This can't be undone.`;
  if (!(await dialog.confirmAction("Delete this message?", text, "Delete"))) return;
  try {
    await api.remove(open.uid);
    list.drop(open.uid);
  } catch (error) {
    showError(error);
  }
}

async function removeAll() {
  const { q } = state();
  try {
    const { matches, capped } = await api.count(q);
    const all = `${capped ? "more than " : ""}${number(matches)} ${matches === 1 ? "message" : "messages"}`;
    const title = q ? `Delete ${all} matching “${q}”?` : `Delete all ${all}?`;
    const text = "Messages that are still queued for an SMTP server are kept. This can't be undone.";
    if (!(await dialog.confirmAction(title, text, "Delete all"))) return;
    const { kept } = await api.removeAll(q);
    set({ m: "" });
    await list.reload();
    groups.load();
    if (kept) dialog.notify("Some messages were kept", `Still queued for an SMTP server: ${number(kept)}.`);
  } catch (error) {
    showError(error);
  }
}

const showError = (error) => dialog.notify("Something went wrong", error.message);

byId("message").addEventListener("delete", remove);
byId("delete-all").addEventListener("click", removeAll);
byId("theme-button").addEventListener("click", nextTheme);

// ---- the empty list

byId("list").addEventListener("counted", ({ detail: { total, matches } }) => {
  const empty = byId("empty");
  empty.hidden = matches > 0;
  byId("list").hidden = matches === 0;
  document.body.toggleAttribute("data-empty", total === 0 && !state().m);
  byId("delete-all").hidden = !writable || matches === 0;
  if (matches > 0) return;
  empty.replaceChildren(...(total > 0 ? noMatches() : noMessages()));
});

const noMatches = () => [
  el("h2", {}, "No matches"),
  el("p", {}, "A message must match every term of the search. Press ", el("kbd", {}, "?"), " for all search terms."),
  el("button", { type: "button", class: "quiet", onclick: () => set({ q: "" }, true) }, "Show all messages"),
];

function noMessages() {
  if (!writable) return [el("h2", {}, "No messages yet"), el("p", {}, "Messages appear here as the run sends them.")];
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
    el("p", {}, "Messages stay on this machine unless a relay is configured. To send one:"),
    el("div", { class: "command" }, el("pre", {}, command), copy),
    el("p", {}, "Or use this address in a program instead of the API's: ", el("code", {}, `${location.origin}/api/`)),
    el("p", {}, "In a mailrun campaign, set ", el("code", {}, "url"), " under ", el("code", {}, "[api]"), " in campaign.toml."),
  ];
}

// ---- updates

const live = byId("live");
let refreshing = false;
/** Whether something has changed since the running refresh started. */
let stale = false;
let groupTimer = 0;

function onChange() {
  stale = true;
  if (refreshing) return;
  refreshing = true;
  setTimeout(async () => {
    stale = false;
    await Promise.allSettled([list.refresh(), message.refresh()]);
    refreshing = false;
    if (stale) onChange();
  }, 150);
  // The server counts groups over all messages, so they are fetched less often.
  if (!groupTimer) {
    groupTimer = setTimeout(() => {
      groupTimer = 0;
      groups.load();
    }, 2000);
  }
}

let events = null;

/** Listens only while the page is visible: browsers limit the connections to one origin. */
function listen() {
  events?.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource("/inbox/events");
  events.addEventListener("open", () => {
    live.textContent = "Live";
    live.dataset.live = "yes";
  });
  events.addEventListener("changed", onChange);
  events.addEventListener("error", () => {
    live.textContent = "Not connected";
    live.dataset.live = "no";
  });
}

watch((state, previous) => {
  if (state.theme !== previous.theme) applyTheme(state);
  if (state.q !== previous.q && document.activeElement !== search) search.value = state.q;
});

document.addEventListener("visibilitychange", listen);
window.addEventListener("pagehide", () => events?.close());
window.addEventListener("pageshow", (event) => event.persisted && listen());

applyTheme(state());
search.value = state().q;
listen();
const about = await api.about().catch(() => null);
if (about) {
  writable = about.writable;
  message.setWritable(writable);
  byId("title").textContent = about.title;
}
await list.reload();
groups.load();
message.load();
