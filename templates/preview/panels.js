// What the tabs show of a message.

import * as api from "./api.js";
import { data, el, number } from "./dom.js";
import * as list from "./list.js";
import { say } from "./live.js";
import { set, state, watch } from "./state.js";

/** Beyond this many characters a text is cut: it would hold the page up. */
const MOST = 500_000;

const note = (text) => el("p", { class: "nothing" }, text);
const cut = (text) => (text.length > MOST ? `${text.slice(0, MOST)}\n… cut here; the whole is in the .eml` : text);

// ---- findings

/** A finding: what it is, where, and what to do. */
export function finding(it) {
  const excerpt = it.excerpt && el("pre", {}, it.excerpt[0], el("mark", {}, it.excerpt[1]), it.excerpt[2]);
  return el(
    "div",
    { class: "finding", "data-severity": it.severity },
    el("div", { class: "kind" }, el("b", {}, it.severity), el("code", {}, it.code)),
    el("div", {}, data(it.message)),
    it.place && el("div", { class: "place" }, data(it.place)),
    excerpt,
    it.help && data(it.help, { class: "help-text" }),
  );
}

function checks({ view, about }) {
  const own = view.findings;
  const all = about.common;
  return el(
    "div",
    {},
    own.length === 0 && el("p", { class: "fine" }, "Nothing is found in this message."),
    ...own.map(finding),
    all.length > 0 && el("h2", { class: "group" }, "Of the whole campaign"),
    ...all.map(finding),
  );
}

// ---- the message in other forms

const text = ({ view: { message } }) => {
  if (!message) return note("There is no message.");
  return message.text === null ? note("This message has no plain text.") : el("pre", { class: "prose" }, cut(message.text));
};

const copyButton = () => el("button", { type: "button", class: "quiet", onclick: copy, title: "Copy (c)" }, "Copy HTML");

async function source({ view, signal }) {
  if (!view.message) return note("There is no message.");
  const html = await api.source(view.row, state().set, signal);
  return el("div", {}, el("div", { class: "panel-tools" }, copyButton(), el("a", { class: "quiet", href: api.eml(view.row, state().set), download: true }, "Download .eml")), el("pre", {}, cut(html)));
}

/** Copies the HTML of the message that is looked at. */
export async function copy() {
  const { row, set: values } = state();
  if (!row) return;
  try {
    await navigator.clipboard.writeText(await api.source(row, values));
    say("HTML copied");
  } catch (error) {
    say(error.message || "Not copied");
  }
}

async function headers({ view, signal }) {
  if (!view.message) return note("There is no message.");
  const all = await api.headers(view.row, state().set, signal);
  const line = ({ name, value, decoded }) =>
    el("tr", {}, el("th", { scope: "row" }, data(name)), el("td", {}, data(decoded ?? value), decoded !== undefined && el("div", { class: "raw" }, data(value))));
  return el("table", {}, el("tbody", {}, ...all.map(line)));
}

// ---- the row's cells

let typing = 0;
/** What is typed and not tried yet, by column. */
const typed = new Map();

function change(column, value, original) {
  typed.set(column, value === original ? null : value);
  clearTimeout(typing);
  typing = setTimeout(() => {
    const values = new Map([...Object.entries(state().set), ...typed]);
    typed.clear();
    set({ set: Object.fromEntries([...values].filter(([, value]) => value !== null)) });
  }, 150);
}

// What is not tried by then is of no other row, and of no row as it is in the file.
watch((now, old) => {
  if (now.row === old.row && now.set === old.set) return;
  clearTimeout(typing);
  typed.clear();
});

function cells({ view }) {
  const line = ({ column, value, original, used }) => {
    const name = column === null ? el("em", {}, "no column") : data(column);
    // A cell of a row with too many, or too few, is no value of a column.
    if (column === null || value === null) return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value === null ? "–" : data(value)));
    const long = value.length > 60 || value.includes("\n");
    const field = el(long ? "textarea" : "input", { "aria-label": column, "data-column": column, spellcheck: "false", autocomplete: "off" });
    field.value = typed.has(column) ? (typed.get(column) ?? original) : value;
    const row = el("tr", {}, el("th", { scope: "row", class: used ? "" : "unused", title: used ? null : "No template uses it" }, name), el("td", {}, field, el("div", { class: "was" })));
    const mark = () => {
      const changed = field.value !== original;
      row.classList.toggle("changed", changed);
      row.querySelector(".was").replaceChildren(...(changed ? ["in the file: ", data(original || "blank")] : []));
    };
    field.addEventListener("input", () => {
      mark();
      change(column, field.value, original);
    });
    mark();
    return row;
  };
  return el(
    "div",
    {},
    el("p", { class: "panel-tools" }, `Row ${number(view.row)}, line ${number(view.line)} of `, data(view.file), ". What you change here is tried, and changes no file."),
    el("table", { class: "data" }, el("tbody", {}, ...view.cells.map(line))),
  );
}

// ---- what differs

async function diff({ view, about, signal }) {
  const { against, of, set: values } = state();
  const press = (name, value, words, title) =>
    el("button", { type: "button", "aria-pressed": state()[name] === value ? "true" : "false", title, onclick: () => set({ [name]: value }) }, words);
  const tools = el(
    "div",
    { class: "panel-tools" },
    el("span", { class: "widths", role: "group", "aria-label": "Compared with" }, press("against", "before", "Previous recipient"), press("against", "saved", "Before last save")),
    el("span", { class: "widths", role: "group", "aria-label": "Of what" }, press("of", "html", "HTML"), press("of", "text", "Text")),
  );
  const shown = (...content) => el("div", { class: "diff" }, tools, ...content);
  const other = against === "before" ? await list.before() : undefined;
  if (other === null) return shown(note("This is the first recipient of the list."));
  if (against === "before" && !other) return shown(note("This recipient is not in the list, so there is none before it."));
  if (against === "saved" && !about.saved) return shown(note("Nothing was saved since this page was started."));
  let found;
  try {
    found = await api.diff(view.row, values, { of, other }, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return shown(note(error.message));
  }
  if (found.same) return shown(note("They are the same."));
  const line = ({ tag, parts }) =>
    el("pre", { "data-tag": tag }, el("span", { class: "hidden" }, { "-": "without: ", "+": "with: " }[tag] ?? ""), `${tag} `, ...parts.map(([differs, words]) => (differs ? el("mark", {}, words) : words)));
  return shown(
    el("p", { class: "group" }, other ? `Compared with row ${number(other)}` : "Compared with the last version"),
    ...found.groups.map((group) => el("section", {}, ...group.map(line))),
    found.cut && note("More is not shown."),
  );
}

/** What makes a tab's content. */
export const PANELS = { checks, text, source, headers, data: cells, diff };
