// One message: its head, and what the tab shows.

import * as api from "./api.js";
import { byId, chip, data, el, longTime, mailbox, size } from "./dom.js";
import * as list from "./list.js";
import { nextWidth, set, state, TABS, watch, WIDTHS } from "./state.js";

const pane = byId("message");
/** Beyond this many characters a text is cut: it would hold the page up. */
const MOST = 500_000;

let shown = null;
let asking = new AbortController();
let writable = false;

/** Whether messages can be deleted here. */
export const allow = (value) => {
  writable = value;
};
/** The message that is looked at. */
export const current = () => shown;

const NAMES = { html: "HTML", text: "Text", source: "Source", headers: "Headers", attachments: "Attachments", request: "Request" };

/** Tabs with nothing in them. */
const has = (message, tab) =>
  ({ html: message.html, text: message.text !== null, attachments: message.files.length > 0, request: message.request })[tab] ?? true;

const tabOf = (message) => state().tab || (message.html ? "html" : "text");

async function load() {
  asking.abort();
  asking = new AbortController();
  const uid = state().m;
  document.body.dataset.view = uid ? "message" : "list";
  if (!uid) {
    shown = null;
    pane.replaceChildren(nothing());
    return;
  }
  try {
    shown = await api.message(uid, asking.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    shown = null;
    pane.replaceChildren(back(), el("p", { class: "nothing", role: "alert" }, error.message));
    return;
  }
  draw();
  if (shown.unread) setUnread(false);
}

/** Marks the message as read, or as unread. */
export async function setUnread(unread) {
  const message = shown;
  if (!message || message.unread === unread) return;
  await api.setUnread(message.uid, unread).then(
    () => {
      message.unread = unread;
      list.amend(message.uid, { unread });
    },
    () => {},
  );
}

/** The status and the events may have changed. */
export async function refresh() {
  const message = shown;
  if (!message) return;
  try {
    const fresh = await api.message(message.uid);
    if (shown !== message || fresh.updated === message.updated) return;
    shown = { ...fresh, unread: message.unread };
    pane.querySelector(".events")?.replaceWith(events(shown));
  } catch {
    // It is gone: what is seen of it stays.
  }
}

const nothing = () => el("p", { class: "nothing" }, "No message is open. ", el("kbd", {}, "j"), " opens the first, ", el("kbd", {}, "?"), " shows all keys.");

const back = () => el("button", { type: "button", class: "quiet back", onclick: () => set({ m: "" }, true) }, "← All messages");

function draw() {
  const message = shown;
  pane.replaceChildren(head(message), tabs(message), el("div", { id: "panel", role: "tabpanel", "aria-labelledby": `tab-${tabOf(message)}`, tabindex: "0" }));
  fill();
}

function head(message) {
  const line = (name, value) => value && el("div", {}, el("dt", {}, name), el("dd", {}, data(value)));
  return el(
    "header",
    { class: "head" },
    el(
      "div",
      { class: "actions" },
      back(),
      el("h1", {}, data(message.subject || "(no subject)")),
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
  el("button", { type: "button", class: "tag", title: "Show all with this tag", onclick: () => set({ q: `tag:"${name.replaceAll('"', '""')}"` }, true) }, data(name));

function events(message) {
  const last = message.events.at(-1);
  return el(
    "details",
    { class: "events" },
    el("summary", {}, chip(message.status), last ? data(last.description, { class: "why" }) : ""),
    el(
      "ol",
      {},
      ...message.events.map((event) => el("li", {}, el("time", {}, longTime(event.at)), chip(event.kind), data(event.description))),
    ),
  );
}

function tabs(message) {
  const own = tabOf(message);
  const button = (name, place) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-selected": name === own ? "true" : "false",
        "aria-controls": "panel",
        tabindex: name === own ? "0" : "-1",
        class: has(message, name) ? "" : "without",
        onclick: () => choose(name),
        onkeydown: (event) => turn(event, place),
      },
      NAMES[name],
      name === "attachments" && message.files.length > 0 && el("span", { class: "number" }, String(message.files.length)),
      el("kbd", { "aria-hidden": "true" }, String(place + 1)),
    );
  return el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the message" }, ...TABS.map(button));
}

/** The arrows go from tab to tab. */
function turn(event, place) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  choose(TABS[(place + by + TABS.length) % TABS.length]);
  byId(`tab-${state().tab}`)?.focus();
}

/** Shows a tab. */
export function choose(name) {
  if (shown) set({ tab: name });
}

const note = (text) => el("p", { class: "nothing" }, text);

const cut = (text) => (text.length > MOST ? `${text.slice(0, MOST)}\n… cut here; the whole is in the .eml` : text);

async function fill() {
  const [message, panel, tab] = [shown, byId("panel"), tabOf(shown)];
  panel.className = tab;
  const wait = (promise) =>
    promise.catch((error) => (error.name === "AbortError" ? null : note(error.message)));
  const filled = {
    html: () => (message.html ? framed(message) : note("This message has no HTML.")),
    text: () => (message.text === null ? note("This message has no plain text.") : el("pre", { class: "prose" }, cut(message.text))),
    source: () => wait(api.source(message.uid, asking.signal).then((text) => el("pre", {}, cut(text)))),
    headers: () => headers(message.headers),
    attachments: () => files(message),
    request: () => (message.request ? wait(api.request(message.uid, asking.signal).then(request)) : note("No request is known: the message was not captured by this gateway.")),
  };
  const content = await filled[tab]();
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
      el("label", { title: "Load them from where they are (i): their servers see that" }, images, " Remote images"),
    ),
    el("div", { class: "stage" }, frame),
  );
}

function headers(all) {
  const line = ({ name, value, decoded }) =>
    el("tr", {}, el("th", { scope: "row" }, data(name)), el("td", {}, data(decoded ?? value), decoded !== undefined && el("div", { class: "raw" }, data(value))));
  return el("table", {}, el("tbody", {}, ...all.map(line)));
}

function files(message) {
  if (message.files.length === 0) return note("This message has no attachments.");
  const line = (file, place) =>
    el(
      "tr",
      {},
      el("td", {}, el("a", { href: api.part(message.uid, place), download: true }, data(file.name || `part ${place + 1}`))),
      el("td", {}, data(file.mime)),
      el("td", { class: "size" }, size(file.size)),
      el("td", {}, file.inline ? "inline" : "", file.content_id && data(` cid:${file.content_id}`, { class: "raw" })),
    );
  const head = el("tr", {}, ...["Name", "Type", "Size", "In the HTML"].map((name) => el("th", { scope: "col" }, name)));
  return el("table", { class: "files" }, el("thead", {}, head), el("tbody", {}, ...message.files.map(line)));
}

function request({ req_id, endpoint, at, remote, fields }) {
  const find = el("button", { type: "button", class: "tag", title: "Show all of this request", onclick: () => set({ q: `request:${req_id}` }, true) }, req_id);
  const line = ([name, value]) => el("tr", {}, el("th", { scope: "row" }, data(name)), el("td", {}, el("pre", {}, cut(value))));
  return el(
    "div",
    {},
    el("p", { class: "made" }, el("code", {}, `POST /api/${endpoint}`), ` ${longTime(at)}`, remote ? ` from ${remote}` : "", " ", find),
    el("table", {}, el("tbody", {}, ...fields.map(line))),
  );
}

watch((now, before) => {
  if (now.m !== before.m) load();
  else if (shown && now.tab !== before.tab) draw();
  else if (shown && (now.images !== before.images || now.w !== before.w)) {
    if (tabOf(shown) === "html") fill();
  }
});

/** Turns remote images on and off, and goes from width to width. */
export const turnImages = () => set({ images: !state().images });
export { load, nextWidth };
