// Groups of messages. Each group is a search, and choosing it puts the search into the search box.

import * as api from "./api.js";
import { bdi, byId, el, fill, number, shortTime } from "./dom.js";
import { GROUPS, set, state, watch } from "./state.js";

const nav = byId("groups");
const NAMES = { tag: "Tags", run: "Runs", request: "Requests" };
const EMPTY = {
  tag: "No message has a tag.",
  run: "No message belongs to a run. Only campaigns with the dialect new_sendmail or v2 put the run into message IDs.",
  request: "There are no API requests.",
};

export async function load() {
  const { by } = state();
  let groups;
  try {
    groups = await api.groups(by);
  } catch {
    return;
  }
  if (by !== state().by) return;
  const choice = (name) =>
    el("button", { type: "button", "aria-pressed": name === by ? "true" : "false", onclick: () => set({ by: name }) }, NAMES[name]);
  fill(
    nav,
    el("div", { class: "by", role: "group", "aria-label": "Group by" }, ...GROUPS.map(choice)),
    el("ul", {}, item({ name: "All messages", query: "" }), item({ name: "Unread", query: "is:unread" }), ...groups.map(item)),
    groups.length === 0 && el("p", { class: "none" }, EMPTY[by]),
  );
}

function item({ name, query, count, at }) {
  const isCurrent = state().q === query;
  const button = el(
    "button",
    { type: "button", "aria-current": isCurrent ? "true" : false, title: at ? `${name}, ${shortTime(at)}` : name, onclick: () => choose(query) },
    bdi(name, { class: "name" }),
    count !== undefined && el("span", { class: "number" }, number(count)),
  );
  button.dataset.query = query;
  return el("li", {}, button);
}

function choose(query) {
  set({ q: query }, true);
  show(false);
}

/** Opens or closes the groups where they do not fit beside the list. */
export function show(open = !document.body.classList.contains("with-groups")) {
  document.body.classList.toggle("with-groups", open);
  byId("groups-button").setAttribute("aria-expanded", String(open));
}

byId("groups-button").addEventListener("click", () => show());
watch((state, previous) => {
  if (state.by !== previous.by) load();
  for (const button of nav.querySelectorAll("[data-query]")) {
    if (button.dataset.query === state.q) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
});
