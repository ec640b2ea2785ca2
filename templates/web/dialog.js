// Questions, and help: one dialog for all.

import { byId, el } from "./dom.js";

const dialog = byId("dialog");

/** Shows something in it. */
export function show(title, ...content) {
  dialog.replaceChildren(el("h2", { id: "dialog-title" }, title), ...content);
  dialog.showModal();
}

/** Whether it is open. */
export const isOpen = () => dialog.open;
export const close = () => dialog.close();

/** A button of a dialog. */
export const button = (text, props) => el("button", { type: "button", ...props }, text);

/** Answers the question that is open, if there is one. */
let answer = () => {};

// The event comes later than the closing: by then another question may be open.
dialog.addEventListener("close", () => dialog.open || answer(false));

/** Asks before what can't be undone. True if it is wanted. */
export function confirmed(title, text, action) {
  answer(false);
  return new Promise((resolve) => {
    answer = resolve;
    const yes = button(action, {
      class: "danger",
      id: "confirm",
      onclick: () => {
        resolve(true);
        dialog.close();
      },
    });
    show(title, el("p", {}, text), el("div", { class: "choices" }, button("Keep", { onclick: () => dialog.close(), autofocus: true }), yes));
  });
}

/** Tells something that went wrong. */
export const tell = (text) => show("That did not work", el("p", {}, text), el("div", { class: "choices" }, button("Close", { onclick: close })));

/** A table of keys, and of what they do. */
export const keys = (lines) =>
  el("table", {}, el("tbody", {}, ...lines.map(([keys, text]) => el("tr", {}, el("th", { scope: "row" }, ...keys.split(" ").flatMap((key) => [el("kbd", {}, key), " "])), el("td", {}, text)))));

/** A table of words of a search, and of what they find. */
export const words = (lines) =>
  el("table", { class: "language" }, el("tbody", {}, ...lines.map(([words, text]) => el("tr", {}, el("th", { scope: "row" }, el("code", {}, words)), el("td", {}, text)))));

/** Shows a help of several tables. */
export const help = (title, ...tables) =>
  show(title, el("div", { class: "help" }, ...tables), el("div", { class: "choices" }, button("Close", { onclick: close, autofocus: true })));
