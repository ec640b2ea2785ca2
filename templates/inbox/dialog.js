// Questions, and the help.

import { byId, el } from "./dom.js";

const dialog = byId("dialog");

function show(title, ...content) {
  dialog.replaceChildren(el("h2", { id: "dialog-title" }, title), ...content);
  dialog.showModal();
}

/** Whether it is open. */
export const isOpen = () => dialog.open;
export const close = () => dialog.close();

const button = (text, props) => el("button", { type: "button", ...props }, text);

/** Asks before what can't be undone. True if it is wanted. */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    let wanted = false;
    const yes = button(action, {
      class: "danger",
      id: "confirm",
      onclick: () => {
        wanted = true;
        dialog.close();
      },
    });
    dialog.addEventListener("close", () => resolve(wanted), { once: true });
    show(title, el("p", {}, text), el("div", { class: "choices" }, button("Keep", { onclick: () => dialog.close(), autofocus: true }), yes));
  });
}

/** Tells something that went wrong. */
export const tell = (text) => show("That did not work", el("p", {}, text), el("div", { class: "choices" }, button("Close", { onclick: close })));

const KEYS = [
  ["j k", "next, previous message"],
  ["Enter", "into the message"],
  ["Esc", "back to the list; out of the search"],
  ["/", "search"],
  ["1 – 6", "HTML, text, source, headers, attachments, request"],
  ["u", "mark as unread, or as read"],
  ["d", "delete"],
  ["e", "download .eml"],
  ["w", "width of the HTML: 375, 600, full"],
  ["i", "remote images"],
  ["g", "groups"],
  ["t", "light, dark, as the system"],
  ["?", "this help"],
];
const SEARCH = [
  ["word \"two words\"", "anywhere; a word may be a beginning"],
  ["from: to: subject: text:", "there alone"],
  ["tag:autumn tag:\"autumn\"", "a tag that begins so; the very tag"],
  ["has:attachment is:unread is:read", ""],
  ["status:hardbounce", "or ok, injected, softbounce, spambounce, dropped"],
  ["before:2026-11-24 after:2h", "a day, a time, or ago: 30m 2h 7d"],
  ["id: account: request: run:", "exactly"],
  ["-word -tag:autumn", "not so"],
];

const table = (lines) =>
  el("table", {}, el("tbody", {}, ...lines.map(([keys, text]) => el("tr", {}, el("th", { scope: "row" }, ...keys.split(" ").flatMap((key) => [el("kbd", {}, key), " "])), el("td", {}, text)))));

/** Shows all keys and the language of the search. */
export const help = () => {
  const search = el("table", { class: "language" }, el("tbody", {}, ...SEARCH.map(([words, text]) => el("tr", {}, el("th", { scope: "row" }, el("code", {}, words)), el("td", {}, text)))));
  show("Keys and search", el("div", { class: "help" }, table(KEYS), search), el("div", { class: "choices" }, button("Close", { onclick: close, autofocus: true })));
};

byId("help-button").addEventListener("click", help);
