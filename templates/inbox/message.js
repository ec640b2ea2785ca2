// The open message: its head and its tabs.

import * as api from "./api.js";
import { bdi, byId, chip, el, longTime, mailbox, size } from "./dom.js";
import { linked } from "./links.js";
import * as list from "./list.js";
import { set, state, TABS, watch, WIDTHS } from "./state.js";

const pane = byId("message");
/** The most characters of a text that are shown. More would block the page. */
const MAX_TEXT = 500_000;

/** The open message. */
let shown = null;
let loading = new AbortController();
let writable = false;

/** Whether messages can be deleted. */
export const setWritable = (value) => {
  writable = value;
};
export const current = () => shown;

const NAMES = { html: "HTML", text: "Text", source: "Source", headers: "Headers", attachments: "Attachments", request: "Request" };

/** Whether a tab has content. */
const has = (message, tab) =>
  ({ html: message.html, text: message.text !== null, attachments: message.files.length > 0, request: message.request })[tab] ?? true;

const tabOf = (message) => state().tab || (message.html ? "html" : "text");

async function load() {
  loading.abort();
  loading = new AbortController();
  const uid = state().m;
  document.body.dataset.view = uid ? "message" : "list";
  if (!uid) {
    shown = null;
    pane.replaceChildren(noMessage());
    return;
  }
  try {
    shown = await api.message(uid, loading.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    shown = null;
    pane.replaceChildren(back(), el("p", { class: "nothing", role: "alert" }, error.message));
    return;
  }
  draw();
  if (shown.unread) setUnread(false);
}

export async function setUnread(unread) {
  const message = shown;
  if (!message || message.unread === unread) return;
  await api.setUnread(message.uid, unread).then(
    () => {
      message.unread = unread;
      list.update(message.uid, { unread });
    },
    () => {},
  );
}

/** Updates the status and the events. */
export async function refresh() {
  const message = shown;
  if (!message) return;
  try {
    const fresh = await api.message(message.uid);
    const state = ({ updated, waiting }) => JSON.stringify([updated, waiting]);
    if (shown !== message || state(fresh) === state(message)) return;
    shown = { ...fresh, unread: message.unread };
    pane.querySelector(".events")?.replaceWith(events(shown));
  } catch {
    // The message was deleted. It stays on the screen.
  }
}

const noMessage = () =>
  el("p", { class: "nothing" }, "No message is open. Press ", el("kbd", {}, "j"), " for the first one, or ", el("kbd", {}, "?"), " for all keys.");

const back = () => el("button", { type: "button", class: "quiet back", onclick: () => set({ m: "" }, true) }, "← All messages");

function draw() {
  const message = shown;
  pane.replaceChildren(head(message), tabs(message), el("div", { id: "panel", role: "tabpanel", "aria-labelledby": `tab-${tabOf(message)}`, tabindex: "0" }));
  fill();
}

function head(message) {
  const line = (name, value) => value && el("div", {}, el("dt", {}, name), el("dd", {}, bdi(value)));
  return el(
    "header",
    { class: "head" },
    el(
      "div",
      { class: "actions" },
      back(),
      el("h1", {}, bdi(message.subject || "(no subject)")),
      el("a", { class: "quiet", href: api.eml(message.uid), download: true, title: "Download (e)", id: "eml" }, "Download .eml"),
      el("button", { type: "button", class: "quiet", title: "Mark as unread (u)", onclick: () => setUnread(true) }, "Mark unread"),
      writable && el("button", { type: "button", class: "quiet danger", title: "Delete (d)", onclick: () => pane.dispatchEvent(new CustomEvent("delete")) }, "Delete…"),
    ),
    el(
      "dl",
      {},
      line("From", mailbox(message.from)),
      line("To", mailbox(message.to)),
      line("Copies", message.copies.join(", ")),
      line("Time", longTime(message.at)),
      line("Account", message.account),
      message.tags.length > 0 && el("div", {}, el("dt", {}, "Tags"), el("dd", {}, ...message.tags.map(tag))),
    ),
    events(message),
  );
}

const tag = (name) =>
  el("button", { type: "button", class: "tag", title: "Show all messages with this tag", onclick: () => set({ q: `tag:"${name.replaceAll('"', '""')}"` }, true) }, bdi(name));

/** Why a recipient of a message still waits for the SMTP server. */
function wait({ copy, attempts, since, next, reason }) {
  const when = next > Date.now() ? `at ${longTime(next)}` : "as soon as possible";
  const tried = `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
  return `${copy ? `copy to ${copy}: ` : ""}${reason ?? "not tried yet"} (waiting since ${longTime(since)}, ${tried}, next attempt ${when})`;
}

function events(message) {
  const waits = message.waiting.map(wait);
  const last = waits[0] ?? message.events.at(-1)?.description;
  return el(
    "details",
    { class: "events" },
    el("summary", {}, chip(message.status), last ? bdi(last, { class: "why" }) : ""),
    el(
      "ol",
      {},
      ...message.events.map((event) => el("li", {}, el("time", {}, longTime(event.at)), chip(event.kind), bdi(event.description))),
      ...waits.map((text) => el("li", { class: "waiting" }, bdi(text))),
    ),
  );
}

function tabs(message) {
  const selected = tabOf(message);
  const button = (name, index) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-selected": name === selected ? "true" : "false",
        "aria-controls": "panel",
        tabindex: name === selected ? "0" : "-1",
        class: has(message, name) ? "" : "without",
        onclick: () => choose(name),
        onkeydown: (event) => moveByArrow(event, index),
      },
      NAMES[name],
      name === "attachments" && message.files.length > 0 && el("span", { class: "number" }, String(message.files.length)),
      el("kbd", { "aria-hidden": "true" }, String(index + 1)),
    );
  return el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the message" }, ...TABS.map(button));
}

/** Moves from tab to tab by the arrow keys. */
function moveByArrow(event, index) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  choose(TABS[(index + step + TABS.length) % TABS.length]);
  byId(`tab-${state().tab}`)?.focus();
}

export function choose(name) {
  if (shown) set({ tab: name });
}

const note = (text) => el("p", { class: "nothing" }, text);

const truncate = (text) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\n… truncated. Download the .eml for the full text` : text);

async function fill() {
  const [message, panel, tab] = [shown, byId("panel"), tabOf(shown)];
  panel.className = tab;
  const orError = (promise) => promise.catch((error) => (error.name === "AbortError" ? null : note(error.message)));
  const contents = {
    html: () => (message.html ? framed(message) : note("This message has no HTML.")),
    text: () => (message.text === null ? note("This message has no plain text.") : el("pre", { class: "prose" }, ...linked(truncate(message.text)))),
    source: () => orError(api.source(message.uid, loading.signal).then((text) => el("pre", {}, truncate(text)))),
    headers: () => headers(message.headers),
    attachments: () => files(message),
    request: () => (message.request ? orError(api.request(message.uid, loading.signal).then(request)) : note("This message was not created by an API request.")),
  };
  const content = await contents[tab]();
  if (content && shown === message && byId("panel") === panel) panel.replaceChildren(content);
}

function framed(message) {
  const frame = el("iframe", {
    id: "frame",
    title: "The message as HTML",
    sandbox: "allow-popups allow-popups-to-escape-sandbox",
    referrerpolicy: "no-referrer",
    src: api.frame(message.uid, state().images),
  });
  frame.dataset.width = state().w;
  const width = (name) =>
    el("button", { type: "button", "aria-pressed": name === state().w ? "true" : "false", onclick: () => set({ w: name }) }, name === "full" ? "Full" : name);
  const images = el("input", { type: "checkbox", id: "images", onchange: (event) => set({ images: event.target.checked }) });
  images.checked = state().images;
  return el(
    "div",
    { class: "framed" },
    el(
      "div",
      { class: "tools" },
      el("span", { class: "widths", role: "group", "aria-label": "Width in pixels (w)" }, ...WIDTHS.map(width)),
      el("label", { title: "Load remote images (i). Their servers can see the request" }, images, " Remote images"),
    ),
    el("div", { class: "stage" }, frame),
  );
}

function headers(list) {
  const line = ({ name, value, decoded }) =>
    el("tr", {}, el("th", { scope: "row" }, bdi(name)), el("td", {}, bdi(decoded ?? value), decoded !== undefined && el("div", { class: "raw" }, bdi(value))));
  return el("table", {}, el("tbody", {}, ...list.map(line)));
}

function files(message) {
  if (message.files.length === 0) return note("This message has no attachments.");
  const line = (file, index) =>
    el(
      "tr",
      {},
      el("td", {}, el("a", { href: api.part(message.uid, index), download: true }, bdi(file.name || `part ${index + 1}`))),
      el("td", {}, bdi(file.mime)),
      el("td", { class: "size" }, size(file.size)),
      el("td", {}, file.inline ? "inline" : "", file.content_id && bdi(` cid:${file.content_id}`, { class: "raw" })),
    );
  const head = el("tr", {}, ...["Name", "Type", "Size", "In the HTML"].map((name) => el("th", { scope: "col" }, name)));
  return el("table", { class: "files" }, el("thead", {}, head), el("tbody", {}, ...message.files.map(line)));
}

function request({ req_id, endpoint, at, remote, fields }) {
  const received = { email: "POST /v2.1/email", smtp: "SMTP" }[endpoint] ?? `POST /api/${endpoint}`;
  const find = el("button", { type: "button", class: "tag", title: "Show all messages of this request", onclick: () => set({ q: `request:${req_id}` }, true) }, req_id);
  const line = ([name, value]) => el("tr", {}, el("th", { scope: "row" }, bdi(name)), el("td", {}, el("pre", {}, truncate(value))));
  return el(
    "div",
    {},
    el("p", { class: "made" }, el("code", {}, received), ` ${longTime(at)}`, remote ? ` from ${remote}` : "", " ", find),
    el("table", {}, el("tbody", {}, ...fields.map(line))),
  );
}

watch((state, previous) => {
  if (state.m !== previous.m) load();
  else if (shown && state.tab !== previous.tab) draw();
  else if (shown && (state.images !== previous.images || state.w !== previous.w)) {
    if (tabOf(shown) === "html") fill();
  }
});

export const toggleImages = () => set({ images: !state().images });
export { load };
