// The list of messages. Only the rows on the screen are drawn.

import * as api from "./api.js";
import { bdi, byId, chip, CLIP, el, icon, number, shortTime } from "./dom.js";
import { set, state, watch } from "./state.js";

/** The height of a row, in pixels. */
const ROW = 66;
const PAGE = 100;
/** How many rows are drawn, and fetched, above and below the visible ones. */
const MARGIN = 8;

const list = byId("list");
const rows = byId("rows");
const notice = byId("notice");

/** The messages that have been fetched, newest first. `more` says whether the server has older ones. */
let loaded = [];
let more = false;
/** The number of the present search. Responses to earlier searches are dropped. */
let generation = 0;
let fetching = false;

const indexOf = (uid) => loaded.findIndex((message) => message.uid === uid);
const selected = () => indexOf(state().m);

const first = () => Math.floor(list.scrollTop / ROW);
const visible = () => Math.ceil(list.clientHeight / ROW);
const isAtTop = () => list.scrollTop < ROW;

function row(message) {
  const to = message.to.name || message.to.address;
  const isSelected = message.uid === state().m;
  const element = el(
    "div",
    {
      class: `row${message.unread ? " unread" : ""}`,
      id: `row-${message.uid}`,
      role: "option",
      "aria-selected": isSelected ? "true" : "false",
      "data-uid": message.uid,
      onclick: () => open(indexOf(message.uid), true),
    },
    message.unread && el("span", { class: "hidden" }, "Unread. "),
    el("div", { class: "line" }, bdi(to, { class: "to" }), el("time", {}, shortTime(message.at))),
    el("div", { class: "line" }, bdi(message.subject || "(no subject)", { class: "subject" })),
    el(
      "div",
      { class: "line" },
      bdi(message.snippet, { class: "snippet" }),
      message.attachment && el("span", { class: "clip", title: "Attachment" }, icon(CLIP)),
      ...message.tags.slice(0, 2).map((tag) => bdi(tag, { class: "tag" })),
      message.status !== "ok" && chip(message.status),
    ),
  );
  return element;
}

/** The rows on the screen, by UID. An unchanged row keeps its element, because the user may be clicking it. */
let drawn = new Map();

function drawRow(message, index) {
  const content = JSON.stringify([message, message.uid === state().m]);
  const old = drawn.get(message.uid);
  const element = old?.content === content ? old.element : row(message);
  element.setAttribute("aria-setsize", more ? -1 : loaded.length);
  element.setAttribute("aria-posinset", index + 1);
  element.style.transform = `translateY(${index * ROW}px)`;
  return { content, element };
}

export function draw() {
  const from = Math.max(0, first() - MARGIN);
  const to = Math.min(loaded.length, first() + visible() + MARGIN);
  rows.style.height = `${loaded.length * ROW}px`;
  const entries = loaded.slice(from, to).map((message, index) => [message.uid, drawRow(message, from + index)]);
  const elements = entries.map(([, { element }]) => element);
  for (const { element } of drawn.values()) if (!elements.includes(element)) element.remove();
  elements.forEach((element, index) => {
    if (rows.children[index] !== element) rows.insertBefore(element, rows.children[index] ?? null);
  });
  drawn = new Map(entries);
  const index = selected();
  if (index >= from && index < to) list.setAttribute("aria-activedescendant", `row-${loaded[index].uid}`);
  else list.removeAttribute("aria-activedescendant");
  if (more && to + MARGIN >= loaded.length) loadMore();
}

function showError(error) {
  if (error.name === "AbortError") return;
  notice.textContent = error.message;
  notice.hidden = false;
}

/** A page of messages, or null if the search has changed meanwhile. */
async function fetchPage(params) {
  const started = generation;
  const page = await api.messages(state().q, params);
  return started === generation ? page : null;
}

async function loadMore() {
  if (fetching || !more) return;
  fetching = true;
  const started = generation;
  try {
    const page = await fetchPage({ limit: PAGE, before: loaded.at(-1)?.id });
    if (page) {
      const last = loaded.at(-1)?.id ?? Infinity;
      loaded = loaded.concat(page.messages.filter((message) => message.id < last));
      more = page.more;
    }
  } catch (error) {
    more = false;
    showError(error);
  }
  if (started !== generation) return;
  fetching = false;
  draw();
}

/** Starts a new search from the top. */
export async function reload() {
  generation += 1;
  fetching = false;
  try {
    const page = await fetchPage({ limit: PAGE });
    if (!page) return;
    notice.hidden = true;
    loaded = page.messages;
    more = page.more;
    list.scrollTop = 0;
    byId("newer").hidden = true;
  } catch (error) {
    loaded = [];
    more = false;
    showError(error);
  }
  list.setAttribute("aria-busy", "false");
  draw();
  updateCount();
}

/** Fetches the visible rows again. New messages appear at the top, or as a button if the list is scrolled. */
export async function refresh() {
  try {
    if (isAtTop() || loaded.length === 0) {
      const page = await fetchPage({ limit: PAGE });
      if (page) replace(Infinity, page);
    } else {
      const top = loaded[Math.min(first(), loaded.length - 1)].id;
      const page = await fetchPage({ limit: Math.min(PAGE, visible() + MARGIN), before: top + 1 });
      if (page) replace(top, page);
      const newest = await fetchPage({ limit: 1 });
      if (newest) byId("newer").hidden = !(newest.messages[0]?.id > loaded[0]?.id);
    }
    notice.hidden = true;
  } catch (error) {
    showError(error);
  }
  draw();
  updateCount();
}

/** Replaces the messages with an ID of at most `top` by a page, as far as the page goes. */
function replace(top, page) {
  const above = loaded.filter((message) => message.id > top);
  const last = page.messages.at(-1)?.id;
  const below = page.more ? loaded.filter((message) => message.id < last) : [];
  // Without an overlap, there may be messages between the page and the rest.
  const overlaps = loaded.some((message) => message.id === last);
  if (page.more && overlaps) {
    loaded = above.concat(page.messages, below);
  } else {
    loaded = above.concat(page.messages);
    more = page.more;
  }
}

let counting = new AbortController();

async function updateCount() {
  counting.abort();
  counting = new AbortController();
  try {
    const { total, unread, matches, capped } = await api.count(state().q, counting.signal);
    const all = `${number(total)} ${total === 1 ? "message" : "messages"}`;
    const found = `${number(matches)}${capped ? "+" : ""} of ${all}`;
    byId("count").textContent = state().q ? found : `${all}, ${number(unread)} unread`;
    document.title = unread ? `(${number(unread)}) mailrun inbox` : "mailrun inbox";
    list.dispatchEvent(new CustomEvent("counted", { detail: { total, matches } }));
  } catch (error) {
    if (error.name !== "AbortError") byId("count").textContent = "";
  }
}

export function open(index, step = false) {
  if (index < 0 || index >= loaded.length) return;
  set({ m: loaded[index].uid }, step);
  const top = index * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

/** Opens the message `by` places below the open one. */
export const move = (by) => open(selected() < 0 ? first() : selected() + by);

/** Updates a message after a change on the server. */
export function update(uid, change) {
  loaded = loaded.map((message) => (message.uid === uid ? { ...message, ...change } : message));
  draw();
  updateCount();
}

/** Removes a message. If it was open, its neighbour opens. */
export function drop(uid) {
  const index = indexOf(uid);
  if (index < 0) return;
  loaded = loaded.filter((message) => message.uid !== uid);
  const neighbour = loaded[Math.min(index, loaded.length - 1)];
  if (state().m === uid) set({ m: neighbour ? neighbour.uid : "" });
  draw();
  updateCount();
}

let pendingDraw = 0;
list.addEventListener("scroll", () => {
  cancelAnimationFrame(pendingDraw);
  pendingDraw = requestAnimationFrame(draw);
});
new ResizeObserver(draw).observe(list);
byId("newer").addEventListener("click", () => {
  list.scrollTop = 0;
  reload();
});
watch((state, previous) => {
  if (state.q !== previous.q) reload();
  else if (state.m !== previous.m) draw();
});
