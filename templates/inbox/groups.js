// What the messages are grouped by. A group is a search: choosing one writes it.

import * as api from "./api.js";
import { byId, data, el, fill, number, shortTime } from "./dom.js";
import { GROUPS, set, state, watch } from "./state.js";

const nav = byId("groups");
const NAMES = { tag: "Tags", run: "Runs", request: "Requests" };
const NONE = {
  tag: "No message has a tag.",
  run: "No message is of a run: message IDs show it where the campaign's dialect is new_sendmail.",
  request: "No request is known.",
};

/** Fetches the groups and draws them. */
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
    el("ul", {}, group({ name: "All messages", query: "" }), group({ name: "Unread", query: "is:unread" }), ...groups.map(group)),
    groups.length === 0 && el("p", { class: "none" }, NONE[by]),
  );
}

function group({ name, query, count, at }) {
  const own = state().q === query;
  const button = el(
    "button",
    { type: "button", "aria-current": own ? "true" : false, title: at ? `${name}, ${shortTime(at)}` : name, onclick: () => choose(query) },
    data(name, { class: "name" }),
    count !== undefined && el("span", { class: "number" }, number(count)),
  );
  button.dataset.query = query;
  return el("li", {}, button);
}

function choose(query) {
  set({ q: query }, true);
  show(false);
}

/** Shows the groups where there is no room for them beside the list. */
export function show(open = !document.body.classList.contains("with-groups")) {
  document.body.classList.toggle("with-groups", open);
  byId("groups-button").setAttribute("aria-expanded", String(open));
}

byId("groups-button").addEventListener("click", () => show());
watch((now, before) => {
  if (now.by !== before.by) load();
  for (const button of nav.querySelectorAll("[data-query]")) {
    if (button.dataset.query === now.q) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
});
