// The list: as many rows as are on the screen, of as many as there are; and those with findings.

import * as api from "./api.js";
import { byId, data, el, fill, mailbox, number } from "./dom.js";
import { set, state, watch } from "./state.js";

const ROW = 66;
const PAGE = 50;
const MARGIN = 4;
/** The highest that an element may be in every browser; a longer list is scrolled in steps. */
const HIGHEST = 8_000_000;
/** So many rows with findings are looked for at once. */
const SCREENFUL = 20;

const list = byId("list");
const rows = byId("rows");
const notice = byId("notice");
const count = byId("count");
const progress = byId("progress");

/** What is known of the rows, by their place; and how many there are. */
let lines = new Map();
let matches = 0;
let total = 0;
/** The rows with findings, as far as they were looked for; nothing when all rows are listed. */
let scan = null;
/** Where the row that is looked at is in the list; nothing when it is not in it. */
let here = null;
/** What is being fetched is of this round; an answer for an older one is dropped. */
let round = 0;
let pages = new Set();
/** How far the list's top is above what is seen of it, beyond what is scrolled. */
let offset = 0;
let scrolled = 0;

export const size = () => (scan ? scan.found.length : matches);

// ---- where things are

const height = () => size() * ROW;
const virtual = () => Math.min(height(), HIGHEST);
const top = () => Math.max(0, list.scrollTop + offset);
const most = () => Math.max(0, virtual() - list.clientHeight);
const mostTop = () => Math.max(0, height() - list.clientHeight);

/** Goes to a height of the list. */
function goTo(wanted) {
  const y = Math.max(0, Math.min(mostTop(), wanted));
  const near = Math.abs(y - top()) < list.clientHeight && y - offset >= 0 && y - offset <= most();
  const at = near ? y - offset : mostTop() ? (y / mostTop()) * most() : 0;
  // It can be scrolled no further than it is high.
  rows.style.height = `${virtual()}px`;
  scrolled = Math.round(at);
  offset = y - scrolled;
  list.scrollTop = scrolled;
  draw();
}

function onScroll() {
  const at = list.scrollTop;
  if (height() > HIGHEST) {
    const far = Math.abs(at - scrolled) > list.clientHeight;
    if (at <= 0) offset = 0;
    else if (at >= most() - 1) offset = mostTop() - most();
    else if (far) offset = (at / most()) * mostTop() - at;
  } else offset = 0;
  scrolled = at;
  draw();
}

// ---- what is seen

function row(line, place) {
  const own = place === here;
  return el(
    "div",
    {
      class: "row",
      id: `row-${line.row}`,
      role: "option",
      "aria-selected": own ? "true" : "false",
      "aria-setsize": size(),
      "aria-posinset": place + 1,
      onclick: () => open(place, true),
    },
    el("div", { class: "line" }, data(line.from || mailbox(line.to), { class: "from" }), el("span", { class: "number" }, number(line.row))),
    el("div", { class: "line" }, line.error ? data(line.error, { class: "subject error" }) : data(line.subject || "(no subject)", { class: "subject" })),
    el("div", { class: "line" }, data(line.preheader ? `${line.to.address} – ${line.preheader}` : line.to.address, { class: "snippet" })),
  );
}

const waiting = (place) => el("div", { class: "row", "aria-hidden": "true" }, el("div", { class: "line" }, el("span", { class: "number" }, number(place + 1))));

let drawn = new Map();
let settling = 0;

/** Draws what is seen, and asks for what is not known of it when the list has come to rest. */
export function draw() {
  rows.style.height = `${virtual()}px`;
  const from = Math.max(0, Math.floor(top() / ROW) - MARGIN);
  const to = Math.min(size(), Math.ceil((top() + list.clientHeight) / ROW) + MARGIN);
  const next = new Map();
  for (let place = from; place < to; place += 1) {
    const line = lines.get(place);
    const shows = JSON.stringify([line ?? place, place === here, size()]);
    const old = drawn.get(place);
    // One that has not changed stays: somebody may be clicking on it.
    const element = old?.shows === shows ? old.element : line ? row(line, place) : waiting(place);
    element.style.transform = `translateY(${place * ROW - offset}px)`;
    next.set(place, { shows, element });
  }
  const kept = new Set([...next.values()].map(({ element }) => element));
  for (const { element } of drawn.values()) if (!kept.has(element)) element.remove();
  [...next.values()].forEach(({ element }, at) => {
    if (rows.children[at] !== element) rows.insertBefore(element, rows.children[at] ?? null);
  });
  drawn = next;
  const line = here === null ? null : lines.get(here);
  if (line && here >= from && here < to) list.setAttribute("aria-activedescendant", `row-${line.row}`);
  else list.removeAttribute("aria-activedescendant");
  clearTimeout(settling);
  settling = setTimeout(() => want(from, to), 40);
}

function say(error) {
  if (error.name === "AbortError") return;
  notice.textContent = error.message;
  notice.hidden = false;
}

/** Fetches what is not known of the rows between two places. */
async function want(from, to) {
  const missing = [];
  for (let page = Math.floor(from / PAGE); page * PAGE < to; page += 1) {
    const last = Math.min(size(), (page + 1) * PAGE);
    for (let place = page * PAGE; place < last; place += 1) {
      if (!lines.has(place)) {
        missing.push(page);
        break;
      }
    }
  }
  await Promise.all(missing.filter((page) => !pages.has(page)).map(fetchPage));
}

async function fetchPage(page) {
  const mine = round;
  const first = page * PAGE;
  pages.add(page);
  try {
    const of = scan?.found.slice(first, first + PAGE).map(({ row }) => row);
    const answer = await api.rows(of ? { of: of.join(",") } : { q: state().q, from: first, limit: PAGE });
    if (mine !== round) return;
    answer.rows.forEach((line, at) => lines.set(first + at, line));
    draw();
  } catch (error) {
    if (mine === round) say(error);
  } finally {
    pages.delete(page);
  }
}

// ---- another search

/** Fetches all anew: another search, or the campaign was saved. With `stay`, the list stays where it is. */
export async function reload(stay = false) {
  round += 1;
  const mine = round;
  pages = new Set();
  const { q, row } = state();
  const from = stay ? Math.floor(top() / ROW / PAGE) * PAGE : 0;
  try {
    const answer = await api.rows({ q, from, limit: PAGE, row: row || "" });
    if (mine !== round) return;
    notice.hidden = true;
    total = answer.total;
    matches = answer.matches;
    lines = new Map(answer.rows.map((line, at) => [from + at, line]));
    scan = answer.scan ? { found: [], next: 0, done: false } : null;
    here = scan ? null : answer.place;
  } catch (error) {
    if (mine !== round) return;
    matches = 0;
    lines = new Map();
    scan = null;
    here = null;
    say(error);
  }
  list.setAttribute("aria-busy", "false");
  for (const moved of movers) moved();
  if (scan) return look();
  if (!stay && here !== null) goTo(here * ROW - list.clientHeight / 3);
  else if (!stay) goTo(0);
  else draw();
  tell();
}

function tell() {
  const all = `${number(total)} ${total === 1 ? "recipient" : "recipients"}`;
  if (!scan) count.textContent = state().q ? `${number(matches)} of ${all}` : all;
  else count.textContent = `${number(scan.found.length)} with findings`;
  progress.hidden = !scan;
  if (!scan) return;
  const looked = `${number(scan.next)} of ${number(matches)} looked at`;
  const further = el("button", { type: "button", class: "quiet", onclick: look }, "Look further");
  const stop = el("button", { type: "button", class: "quiet", onclick: () => looking.abort() }, "Stop");
  fill(progress, el("span", {}, looked), scan.done ? null : scan.looking ? stop : further);
}

let looking = new AbortController();

/** Looks for more rows with findings, until there is a screenful more. */
async function look() {
  const mine = scan;
  if (!mine || mine.looking) return;
  looking = new AbortController();
  const wanted = mine.found.length + SCREENFUL;
  mine.looking = true;
  tell();
  try {
    while (!mine.done && mine.found.length < wanted && scan === mine) {
      const answer = await api.scan({ q: state().q, from: mine.next, limit: SCREENFUL }, looking.signal);
      mine.found.push(...answer.found);
      mine.next = answer.next;
      mine.done = answer.done;
      if (scan !== mine) return;
      const was = here;
      here = placeOf(state().row);
      if (here !== was) for (const moved of movers) moved();
      draw();
      tell();
    }
  } catch (error) {
    say(error);
  }
  mine.looking = false;
  if (scan === mine) {
    draw();
    tell();
  }
}

const placeOf = (row) => {
  const place = scan ? scan.found.findIndex((found) => found.row === row) : -1;
  return place < 0 ? null : place;
};

// ---- another row

/** The row at a place. */
async function rowAt(place) {
  if (scan) return scan.found[place]?.row;
  if (!lines.has(place)) await fetchPage(Math.floor(place / PAGE));
  return lines.get(place)?.row;
}

/** The row before the one that is looked at: null if that is the first, nothing if it is not in the list. */
export function before() {
  if (here === null) return undefined;
  return here === 0 ? null : rowAt(here - 1);
}

/** Calls `moved()` when another row may be before the one that is looked at. */
export const onMoved = (moved) => movers.push(moved);
const movers = [];

/** Looks at the message at a place. */
export async function open(place, step = false) {
  if (place < 0 || place >= size()) return;
  here = place;
  if (!scan) {
    // Whoever goes on does not wait for the next one with a finding.
    looking.abort();
    progress.hidden = true;
  }
  const seen = top();
  if (place * ROW < seen) goTo(place * ROW);
  else if ((place + 1) * ROW > seen + list.clientHeight) goTo((place + 1) * ROW - list.clientHeight);
  else draw();
  const row = await rowAt(place);
  if (row && here === place) set({ row }, step);
}

/** Looks at the next one, or the one before. */
export function move(by) {
  if (here === null) return open(Math.floor(top() / ROW));
  if (scan && here + by >= size()) look();
  return open(here + by);
}

/** Looks at any. */
export const random = () => size() > 0 && open(Math.floor(Math.random() * size()));

/** Looks at the next one with a finding. */
export async function nextFinding() {
  if (scan) return move(1);
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  const mine = round;
  let from = here === null ? 0 : here + 1;
  const stop = el("button", { type: "button", class: "quiet", onclick: () => looking.abort() }, "Stop");
  try {
    for (;;) {
      const answer = await api.scan({ q: state().q, from }, signal);
      if (mine !== round) return;
      if (answer.found.length > 0) {
        progress.hidden = true;
        return open(answer.found[0].place);
      }
      from = answer.next;
      progress.hidden = false;
      if (answer.done) return fill(progress, el("span", {}, "Nothing more is found."));
      fill(progress, el("span", {}, `${number(from)} of ${number(answer.matches)} looked at`), stop);
    }
  } catch (error) {
    progress.hidden = true;
    say(error);
  }
}

/** Ends the looking for findings; true if there was any. */
export const stop = () => looking.abort();

list.addEventListener("scroll", onScroll);
new ResizeObserver(draw).observe(list);
watch((now, old) => {
  if (now.q !== old.q) {
    looking.abort();
    reload();
  } else if (now.row !== old.row) {
    const line = here === null ? null : scan ? scan.found[here] : lines.get(here);
    if (line?.row !== now.row) reload(true);
    else draw();
  }
});
