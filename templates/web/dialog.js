// The dialog for questions, errors and help.

import { byId, el } from "./dom.js";

const dialog = byId("dialog");

export function show(title, ...content) {
  dialog.replaceChildren(el("h2", { id: "dialog-title" }, title), ...content);
  dialog.showModal();
}

export const isOpen = () => dialog.open;
export const close = () => dialog.close();

export const button = (text, props) => el("button", { type: "button", ...props }, text);

/** Resolves the open question, if there is one. */
let answer = () => {};

// The close event comes later than the closing: by then, another question may be open.
dialog.addEventListener("close", () => dialog.open || answer(false));

/** Asks for confirmation of something that can't be undone. Resolves to true or false. */
export function confirmAction(title, text, action) {
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
    show(title, el("p", {}, text), el("div", { class: "choices" }, button("Cancel", { onclick: close, autofocus: true }), yes));
  });
}

const closeButton = () => el("div", { class: "choices" }, button("Close", { onclick: close, autofocus: true }));

/** Shows a message, such as an error. */
export const notify = (title, text) => show(title, el("p", {}, text), closeButton());

/** A table of keys and what they do. */
export const keyTable = (lines) =>
  el("table", {}, el("tbody", {}, ...lines.map(([keys, text]) => el("tr", {}, el("th", { scope: "row" }, ...keys.split(" ").flatMap((key) => [el("kbd", {}, key), " "])), el("td", {}, text)))));

/** A table of search terms and what they find. */
export const searchTable = (lines) =>
  el("table", { class: "language" }, el("tbody", {}, ...lines.map(([term, text]) => el("tr", {}, el("th", { scope: "row" }, el("code", {}, term)), el("td", {}, text)))));

export const showHelp = (title, ...tables) => show(title, el("div", { class: "help" }, ...tables), closeButton());
