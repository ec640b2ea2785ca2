// The list: as many rows as are on the screen, of as many as there are.

import * as api from "./api.js";
import { byId, chip, CLIP, data, el, icon, number, shortTime } from "./dom.js";
import { set, state, watch } from "./state.js";

const ROW = 66;
const PAGE = 100;
/** How many rows are drawn, and fetched, beyond what is seen. */
const MARGIN = 8;

const list = byId("list");
const rows = byId("rows");
const notice = byId("notice");

/** The messages that are known, newest first; `more` when there are others after them. */
let known = [];
let more = false;
/** What is being fetched is of this query; an answer for an older one is dropped. */
let round = 0;
let fetching = false;

export const selected = () => known.findIndex((message) => message.uid === state().m);
export const at = (place) => known[place];

const first = () => Math.floor(list.scrollTop / ROW);
const seen = () => Math.ceil(list.clientHeight / ROW);
const onTop = () => list.scrollTop < ROW;

function row(message) {
  const to = message.to.name || message.to.address;
  const own = message.uid === state().m;
  const element = el(
    "div",
    {
      class: `row${message.unread ? " unread" : ""}`,
      id: `row-${message.uid}`,
      role: "option",
      "aria-selected": own ? "true" : "false",
      "data-uid": message.uid,
      onclick: () => open(known.findIndex((it) => it.uid === message.uid), true),
    },
    message.unread && el("span", { class: "hidden" }, "Unread. "),
    el("div", { class: "line" }, data(to, { class: "to" }), el("time", {}, shortTime(message.at))),
    el("div", { class: "line" }, data(message.subject || "(no subject)", { class: "subject" })),
    el(
      "div",
      { class: "line" },
      data(message.snippet, { class: "snippet" }),
      message.attachment && el("span", { class: "clip", title: "Attachment" }, icon(CLIP)),
      ...message.tags.slice(0, 2).map((tag) => data(tag, { class: "tag" })),
      message.status !== "ok" && chip(message.status),
    ),
  );
  return element;
}

/** The rows that are drawn, with what they show. One that has not changed stays: somebody may be clicking on it. */
let drawn = new Map();

function drawnRow(message, place) {
  const shows = JSON.stringify([message, message.uid === state().m]);
  const old = drawn.get(message.uid);
  const element = old?.shows === shows ? old.element : row(message);
  element.setAttribute("aria-setsize", more ? -1 : known.length);
  element.setAttribute("aria-posinset", place + 1);
  element.style.transform = `translateY(${place * ROW}px)`;
  return { shows, element };
}

/** Draws what is seen. */
export function draw() {
  const from = Math.max(0, first() - MARGIN);
  const to = Math.min(known.length, first() + seen() + MARGIN);
  rows.style.height = `${known.length * ROW}px`;
  const drawing_now = known.slice(from, to).map((message, index) => [message.uid, drawnRow(message, from + index)]);
  const kept = new Set(drawing_now.map(([, { element }]) => element));
  for (const { element } of drawn.values()) if (!kept.has(element)) element.remove();
  drawing_now.forEach(([, { element }], place) => {
    if (rows.children[place] !== element) rows.insertBefore(element, rows.children[place] ?? null);
  });
  drawn = new Map(drawing_now);
  const own = selected();
  if (own >= from && own < to) list.setAttribute("aria-activedescendant", `row-${known[own].uid}`);
  else list.removeAttribute("aria-activedescendant");
  if (more && to + MARGIN >= known.length) next();
}

function say(error) {
  if (error.name === "AbortError") return;
  notice.textContent = error.message;
  notice.hidden = false;
}

async function fetched(fields) {
  const mine = round;
  const page = await api.messages(state().q, fields);
  return mine === round ? page : null;
}

/** Fetches the page after the last row. */
async function next() {
  if (fetching || !more) return;
  fetching = true;
  const mine = round;
  try {
    const page = await fetched({ limit: PAGE, before: known.at(-1)?.id });
    if (page) {
      const last = known.at(-1)?.id ?? Infinity;
      known = known.concat(page.messages.filter((message) => message.id < last));
      more = page.more;
    }
  } catch (error) {
    more = false;
    say(error);
  }
  if (mine !== round) return;
  fetching = false;
  draw();
}

/** Fetches all anew: another search, or the first one. */
export async function reload() {
  round += 1;
  fetching = false;
  try {
    const page = await fetched({ limit: PAGE });
    if (!page) return;
    notice.hidden = true;
    known = page.messages;
    more = page.more;
    list.scrollTop = 0;
    byId("newer").hidden = true;
  } catch (error) {
    known = [];
    more = false;
    say(error);
  }
  list.setAttribute("aria-busy", "false");
  draw();
  tell();
}

/** Something has changed: what is seen is fetched again; what is new is put on top, or told. */
export async function refresh() {
  try {
    if (onTop() || known.length === 0) {
      const page = await fetched({ limit: PAGE });
      if (page) replace(Infinity, page);
    } else {
      const top = known[Math.min(first(), known.length - 1)].id;
      const page = await fetched({ limit: Math.min(PAGE, seen() + MARGIN), before: top + 1 });
      if (page) replace(top, page);
      const newest = await fetched({ limit: 1 });
      if (newest) byId("newer").hidden = !(newest.messages[0]?.id > known[0]?.id);
    }
    notice.hidden = true;
  } catch (error) {
    say(error);
  }
  draw();
  tell();
}

/** Puts a page in the place of what is known from the ID `top` on downwards, as far as the page goes. */
function replace(top, page) {
  const above = known.filter((message) => message.id > top);
  const last = page.messages.at(-1)?.id;
  const under = page.more ? known.filter((message) => message.id < last) : [];
  // Without an overlap there may be others between them.
  const joined = known.some((message) => message.id === last);
  if (page.more && joined) {
    known = above.concat(page.messages, under);
  } else {
    known = above.concat(page.messages);
    more = page.more;
  }
}

let counting = new AbortController();

/** Tells how many there are. */
async function tell() {
  counting.abort();
  counting = new AbortController();
  try {
    const { total, unread, matches, capped } = await api.count(state().q, counting.signal);
    const all = `${number(total)} ${total === 1 ? "message" : "messages"}`;
    const found = `${number(matches)}${capped ? "+" : ""} found`;
    byId("count").textContent = state().q ? `${found} of ${all}` : `${all}, ${number(unread)} unread`;
    document.title = unread ? `(${number(unread)}) mailrun inbox` : "mailrun inbox";
    list.dispatchEvent(new CustomEvent("counted", { detail: { total, matches } }));
  } catch (error) {
    if (error.name !== "AbortError") byId("count").textContent = "";
  }
}

/** Looks at the message at a place. */
export function open(place, step = false) {
  if (place < 0 || place >= known.length) return;
  set({ m: known[place].uid }, step);
  const top = place * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

/** Looks at the next one, or the one before. */
export const move = (by) => open(selected() < 0 ? first() : selected() + by);

/** Changes what is known of one message, as it has been changed. */
export function amend(uid, change) {
  known = known.map((message) => (message.uid === uid ? { ...message, ...change } : message));
  draw();
  tell();
}

/** Takes a message out, and looks at its neighbour if it was looked at. */
export function drop(uid) {
  const place = known.findIndex((message) => message.uid === uid);
  if (place < 0) return;
  known = known.filter((message) => message.uid !== uid);
  const neighbour = known[Math.min(place, known.length - 1)];
  if (state().m === uid) set({ m: neighbour ? neighbour.uid : "" });
  draw();
  tell();
}

let drawing = 0;
list.addEventListener("scroll", () => {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(draw);
});
new ResizeObserver(draw).observe(list);
byId("newer").addEventListener("click", () => {
  list.scrollTop = 0;
  reload();
});
watch((now, before) => {
  if (now.q !== before.q) reload();
  else if (now.m !== before.m) draw();
});
