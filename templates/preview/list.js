// The list of recipients. Only visible rows are fetched and in the DOM. A search for findings scans
// the rows step by step.

import * as api from "./api.js";
import { bdi, byId, el, fill, mailbox, number } from "./dom.js";
import { set, state, watch } from "./state.js";

/** The height of a row in pixels. */
const ROW = 66;
/** Rows a request. */
const PAGE = 50;
/** Rows drawn above and below the visible ones. */
const MARGIN = 4;
/** The highest element that all browsers support, in pixels. A longer list is scrolled in steps. */
const MAX_HEIGHT = 8_000_000;
/** How many rows with findings to look for at once. */
const BATCH = 20;

const list = byId("list");
const rows = byId("rows");
const notice = byId("notice");
const count = byId("count");
const progress = byId("progress");

/** The fetched rows by their place in the list. */
let lines = new Map();
let matches = 0;
let total = 0;
/** The state of a search for findings: `{ found, next, done, scanning }`; `null` for other lists. */
let scan = null;
/** The place of the open row; `null` if it is not in the list. */
let openPlace = null;
/** Counts reloads. An answer to a request of an earlier round is dropped. */
let round = 0;
/** The pages that are being fetched. */
let pages = new Set();
/** Of a list higher than `MAX_HEIGHT`: the difference between its top and the scroll position. */
let offset = 0;
let scrolled = 0;

export const size = () => (scan ? scan.found.length : matches);

// ---- scrolling

const height = () => size() * ROW;
const virtual = () => Math.min(height(), MAX_HEIGHT);
const top = () => Math.max(0, list.scrollTop + offset);
const maxScroll = () => Math.max(0, virtual() - list.clientHeight);
const maxTop = () => Math.max(0, height() - list.clientHeight);

/** Scrolls to a height of the list. */
function scrollTo(target) {
  const y = Math.max(0, Math.min(maxTop(), target));
  const near = Math.abs(y - top()) < list.clientHeight && y - offset >= 0 && y - offset <= maxScroll();
  const at = near ? y - offset : maxTop() ? (y / maxTop()) * maxScroll() : 0;
  // An element scrolls no further than its height, so set that first.
  rows.style.height = `${virtual()}px`;
  scrolled = Math.round(at);
  offset = y - scrolled;
  list.scrollTop = scrolled;
  draw();
}

function onScroll() {
  const at = list.scrollTop;
  if (height() > MAX_HEIGHT) {
    const far = Math.abs(at - scrolled) > list.clientHeight;
    if (at <= 0) offset = 0;
    else if (at >= maxScroll() - 1) offset = maxTop() - maxScroll();
    else if (far) offset = (at / maxScroll()) * maxTop() - at;
  } else offset = 0;
  scrolled = at;
  draw();
}

// ---- drawing

function row(line, place) {
  const isOpen = place === openPlace;
  return el(
    "div",
    {
      class: "row",
      id: `row-${line.row}`,
      role: "option",
      "aria-selected": isOpen ? "true" : "false",
      "aria-setsize": size(),
      "aria-posinset": place + 1,
      onclick: () => open(place, true),
    },
    el("div", { class: "line" }, bdi(line.from || mailbox(line.to), { class: "from" }), el("span", { class: "number" }, number(line.row))),
    el("div", { class: "line" }, line.error ? bdi(line.error, { class: "subject error" }) : bdi(line.subject || "(no subject)", { class: "subject" })),
    el("div", { class: "line" }, bdi(line.preheader ? `${line.to.address} – ${line.preheader}` : line.to.address, { class: "snippet" })),
  );
}

const placeholder = (place) => el("div", { class: "row", "aria-hidden": "true" }, el("div", { class: "line" }, el("span", { class: "number" }, number(place + 1))));

let drawn = new Map();
let fetchTimer = 0;

/** Draws the visible rows, and fetches missing ones once the list stops scrolling. */
export function draw() {
  rows.style.height = `${virtual()}px`;
  const from = Math.max(0, Math.floor(top() / ROW) - MARGIN);
  const to = Math.min(size(), Math.ceil((top() + list.clientHeight) / ROW) + MARGIN);
  const next = new Map();
  for (let place = from; place < to; place += 1) {
    const line = lines.get(place);
    const content = JSON.stringify([line ?? place, place === openPlace, size()]);
    const old = drawn.get(place);
    // Keep unchanged elements: the user may be clicking on one.
    const element = old?.content === content ? old.element : line ? row(line, place) : placeholder(place);
    element.style.transform = `translateY(${place * ROW - offset}px)`;
    next.set(place, { content, element });
  }
  const kept = new Set([...next.values()].map(({ element }) => element));
  for (const { element } of drawn.values()) if (!kept.has(element)) element.remove();
  [...next.values()].forEach(({ element }, at) => {
    if (rows.children[at] !== element) rows.insertBefore(element, rows.children[at] ?? null);
  });
  drawn = next;
  const line = openPlace === null ? null : lines.get(openPlace);
  if (line && openPlace >= from && openPlace < to) list.setAttribute("aria-activedescendant", `row-${line.row}`);
  else list.removeAttribute("aria-activedescendant");
  clearTimeout(fetchTimer);
  fetchTimer = setTimeout(() => fetchMissing(from, to), 40);
}

function showError(error) {
  if (error.name === "AbortError") return;
  notice.textContent = error.message;
  notice.hidden = false;
}

/** Fetches the missing rows between two places. */
async function fetchMissing(from, to) {
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
  const myRound = round;
  const first = page * PAGE;
  pages.add(page);
  try {
    const of = scan?.found.slice(first, first + PAGE).map(({ row }) => row);
    const answer = await api.rows(of ? { of: of.join(",") } : { q: state().q, from: first, limit: PAGE });
    if (myRound !== round) return;
    answer.rows.forEach((line, at) => lines.set(first + at, line));
    draw();
  } catch (error) {
    if (myRound === round) showError(error);
  } finally {
    pages.delete(page);
  }
}

// ---- searching

/** Reloads the list after a search or a save. With `stay`, keeps the scroll position. */
export async function reload(stay = false) {
  round += 1;
  const myRound = round;
  pages = new Set();
  const { q, row } = state();
  const from = stay ? Math.floor(top() / ROW / PAGE) * PAGE : 0;
  try {
    const answer = await api.rows({ q, from, limit: PAGE, row: row || "" });
    if (myRound !== round) return;
    notice.hidden = true;
    total = answer.total;
    matches = answer.matches;
    lines = new Map(answer.rows.map((line, at) => [from + at, line]));
    scan = answer.scan ? { found: [], next: 0, done: false } : null;
    openPlace = scan ? null : answer.place;
  } catch (error) {
    if (myRound !== round) return;
    matches = 0;
    lines = new Map();
    scan = null;
    openPlace = null;
    showError(error);
  }
  list.setAttribute("aria-busy", "false");
  for (const onMove of moveHandlers) onMove();
  if (scan) return scanMore();
  if (!stay && openPlace !== null) scrollTo(openPlace * ROW - list.clientHeight / 3);
  else if (!stay) scrollTo(0);
  else draw();
  showCount();
}

function showCount() {
  const all = `${number(total)} ${total === 1 ? "recipient" : "recipients"}`;
  if (!scan) count.textContent = state().q ? `${number(matches)} of ${all}` : all;
  else count.textContent = `${number(scan.found.length)} with findings`;
  progress.hidden = !scan;
  if (!scan) return;
  const checked = `${number(scan.next)} of ${number(matches)} checked`;
  fill(progress, el("span", {}, checked), scan.done ? null : scan.scanning ? stopButton() : quietButton("Check more", scanMore));
}

const quietButton = (text, onclick) => el("button", { type: "button", class: "quiet", onclick }, text);
const stopButton = () => quietButton("Stop", stop);

let scanning = new AbortController();

/** Looks for up to `BATCH` more rows with findings. */
async function scanMore() {
  const mine = scan;
  if (!mine || mine.scanning) return;
  scanning = new AbortController();
  const target = mine.found.length + BATCH;
  mine.scanning = true;
  showCount();
  try {
    while (!mine.done && mine.found.length < target && scan === mine) {
      const answer = await api.scan({ q: state().q, from: mine.next, limit: BATCH }, scanning.signal);
      mine.found.push(...answer.found);
      mine.next = answer.next;
      mine.done = answer.done;
      if (scan !== mine) return;
      const was = openPlace;
      openPlace = placeOf(state().row);
      if (openPlace !== was) for (const onMove of moveHandlers) onMove();
      draw();
      showCount();
    }
  } catch (error) {
    showError(error);
  }
  mine.scanning = false;
  if (scan === mine) {
    draw();
    showCount();
  }
}

const placeOf = (row) => {
  const place = scan ? scan.found.findIndex((it) => it.row === row) : -1;
  return place < 0 ? null : place;
};

// ---- moving
/** The number of the row at a place. */
async function rowAt(place) {
  if (scan) return scan.found[place]?.row;
  if (!lines.has(place)) await fetchPage(Math.floor(place / PAGE));
  return lines.get(place)?.row;
}

/** The row before the open one: `null` if that is the first, `undefined` if it is not in the list. */
export function previousRow() {
  if (openPlace === null) return undefined;
  return openPlace === 0 ? null : rowAt(openPlace - 1);
}

/** Calls `onMove()` when `previousRow()` may have changed. */
export const onMoved = (onMove) => moveHandlers.push(onMove);
const moveHandlers = [];

/** Opens the message at a place. With `step`, adds an entry to the history. */
export async function open(place, step = false) {
  if (place < 0 || place >= size()) return;
  openPlace = place;
  if (!scan) {
    // Moving on ends a search for the next finding.
    scanning.abort();
    progress.hidden = true;
  }
  const y = top();
  if (place * ROW < y) scrollTo(place * ROW);
  else if ((place + 1) * ROW > y + list.clientHeight) scrollTo((place + 1) * ROW - list.clientHeight);
  else draw();
  const row = await rowAt(place);
  if (row && openPlace === place) set({ row }, step);
}

/** Opens the next message (1) or the previous one (-1). */
export function move(by) {
  if (openPlace === null) return open(Math.floor(top() / ROW));
  if (scan && openPlace + by >= size()) scanMore();
  return open(openPlace + by);
}

export const random = () => size() > 0 && open(Math.floor(Math.random() * size()));

/** Opens the next message with a finding. */
export async function nextFinding() {
  if (scan) return move(1);
  scanning.abort();
  scanning = new AbortController();
  const { signal } = scanning;
  const myRound = round;
  let from = openPlace === null ? 0 : openPlace + 1;
  try {
    for (;;) {
      const answer = await api.scan({ q: state().q, from }, signal);
      if (myRound !== round) return;
      if (answer.found.length > 0) {
        progress.hidden = true;
        return open(answer.found[0].place);
      }
      from = answer.next;
      progress.hidden = false;
      if (answer.done) return fill(progress, el("span", {}, "No more findings."));
      fill(progress, el("span", {}, `${number(from)} of ${number(answer.matches)} checked`), stopButton());
    }
  } catch (error) {
    progress.hidden = true;
    showError(error);
  }
}

/** Stops looking for findings. */
export const stop = () => scanning.abort();

list.addEventListener("scroll", onScroll);
new ResizeObserver(draw).observe(list);
watch((now, old) => {
  if (now.q !== old.q) {
    scanning.abort();
    reload();
  } else if (now.row !== old.row) {
    const line = openPlace === null ? null : scan ? scan.found[openPlace] : lines.get(openPlace);
    if (line?.row !== now.row) reload(true);
    else draw();
  }
});
