// The content of the tabs.

import * as api from "./api.js";
import { bdi, el, number } from "./dom.js";
import { linked } from "./links.js";
import * as list from "./list.js";
import { announce } from "./live.js";
import { set, state, watch } from "./state.js";

/** Longer texts are cut: they would block the page. In characters. */
const MAX_TEXT = 500_000;

const note = (text) => el("p", { class: "nothing" }, text);
const cut = (text) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\n… truncated. Download the .eml for the full text` : text);

// ---- findings

export function finding(it) {
  const excerpt = it.excerpt && el("pre", {}, it.excerpt[0], el("mark", {}, it.excerpt[1]), it.excerpt[2]);
  return el(
    "div",
    { class: "finding", "data-severity": it.severity },
    el("div", { class: "kind" }, el("b", {}, it.severity), el("code", {}, it.code)),
    el("div", {}, bdi(it.message)),
    it.place && el("div", { class: "place" }, bdi(it.place)),
    excerpt,
    it.help && bdi(it.help, { class: "help-text" }),
  );
}

function checks({ view, about }) {
  const { findings } = view;
  const { common } = about;
  return el(
    "div",
    {},
    findings.length === 0 && el("p", { class: "fine" }, "No findings in this message."),
    ...findings.map(finding),
    common.length > 0 && el("h2", { class: "group" }, "Whole campaign"),
    ...common.map(finding),
  );
}

// ---- text, source, headers

const text = ({ view: { message } }) => {
  if (!message) return note("This recipient gets no message.");
  return message.text === null ? note("This message has no plain text.") : el("pre", { class: "prose" }, ...linked(cut(message.text)));
};

const copyButton = () => el("button", { type: "button", class: "quiet", onclick: copy, title: "Copy (c)" }, "Copy HTML");

async function source({ view, signal }) {
  if (!view.message) return note("This recipient gets no message.");
  const html = await api.source(view.row, state().set, signal);
  return el("div", {}, el("div", { class: "panel-tools" }, copyButton(), el("a", { class: "quiet", href: api.eml(view.row, state().set), download: true }, "Download .eml")), el("pre", {}, cut(html)));
}

/** Copies the HTML of the open message. */
export async function copy() {
  const { row, set: values } = state();
  if (!row) return;
  try {
    await navigator.clipboard.writeText(await api.source(row, values));
    announce("HTML copied");
  } catch (error) {
    announce(error.message || "Can't copy");
  }
}

async function headers({ view, signal }) {
  if (!view.message) return note("This recipient gets no message.");
  const all = await api.headers(view.row, state().set, signal);
  const line = ({ name, value, decoded }) =>
    el("tr", {}, el("th", { scope: "row" }, bdi(name)), el("td", {}, bdi(decoded ?? value), decoded !== undefined && el("div", { class: "raw" }, bdi(value))));
  return el("table", {}, el("tbody", {}, ...all.map(line)));
}

// ---- data

let typing = 0;
/** Typed values that the state does not have yet, by column. `null`: as in the file. */
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

// Pending values must not reach another row, or a row that was reset.
watch((now, old) => {
  if (now.row === old.row && now.set === old.set) return;
  clearTimeout(typing);
  typed.clear();
});

function cells({ view }) {
  const line = ({ column, value, original, used }) => {
    const name = column === null ? el("em", {}, "no column") : bdi(column);
    // A row with too many or too few cells can't be edited.
    if (column === null || value === null) return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value === null ? "–" : bdi(value)));
    const long = value.length > 60 || value.includes("\n");
    const field = el(long ? "textarea" : "input", { "aria-label": column, "data-column": column, spellcheck: "false", autocomplete: "off" });
    field.value = typed.has(column) ? (typed.get(column) ?? original) : value;
    const row = el("tr", {}, el("th", { scope: "row", class: used ? "" : "unused", title: used ? null : "Not used by the templates" }, name), el("td", {}, field, el("div", { class: "was" })));
    const mark = () => {
      const changed = field.value !== original;
      row.classList.toggle("changed", changed);
      row.querySelector(".was").replaceChildren(...(changed ? ["in the file: ", bdi(original || "blank")] : []));
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
    el("p", { class: "panel-tools" }, `Row ${number(view.row)}, line ${number(view.line)} of `, bdi(view.file), ". Changes here affect only this page, not the file."),
    el("table", { class: "data" }, el("tbody", {}, ...view.cells.map(line))),
  );
}

// ---- diff

async function diff({ view, about, signal }) {
  const { against, of, set: values } = state();
  const toggle = (name, value, text) =>
    el("button", { type: "button", "aria-pressed": state()[name] === value ? "true" : "false", onclick: () => set({ [name]: value }) }, text);
  const tools = el(
    "div",
    { class: "panel-tools" },
    el("span", { class: "widths", role: "group", "aria-label": "Compare with" }, toggle("against", "before", "Previous recipient"), toggle("against", "saved", "Before last save")),
    el("span", { class: "widths", role: "group", "aria-label": "Part" }, toggle("of", "html", "HTML"), toggle("of", "text", "Text")),
  );
  const panel = (...content) => el("div", { class: "diff" }, tools, ...content);
  const other = against === "before" ? await list.previousRow() : undefined;
  if (other === null) return panel(note("This is the first recipient in the list."));
  if (against === "before" && !other) return panel(note("This recipient is not in the list."));
  if (against === "saved" && !about.saved) return panel(note("Nothing has been saved since this page was started."));
  let result;
  try {
    result = await api.diff(view.row, values, { of, other }, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return panel(note(error.message));
  }
  if (result.same) return panel(note("No differences."));
  const line = ({ tag, parts }) =>
    el("pre", { "data-tag": tag }, el("span", { class: "hidden" }, { "-": "removed: ", "+": "added: " }[tag] ?? ""), `${tag} `, ...parts.map(([changed, text]) => (changed ? el("mark", {}, text) : text)));
  return panel(
    el("p", { class: "group" }, other ? `Compared with row ${number(other)}` : "Compared with the version before the last save"),
    ...result.groups.map((group) => el("section", {}, ...group.map(line))),
    result.cut && note("The diff is too long. The rest is not shown."),
  );
}

/** Functions that return the content of each tab. */
export const PANELS = { checks, text, source, headers, data: cells, diff };
