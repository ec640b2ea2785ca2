// The open message: its headers, its frame, and the tabs beside it.

import * as api from "./api.js";
import { bdi, byId, el, fill, mailbox, number } from "./dom.js";
import * as frame from "./frame.js";
import * as list from "./list.js";
import { finding, PANELS } from "./panels.js";
import { set, state, TABS, watch } from "./state.js";

const pane = byId("message");
const side = byId("side");
const NAMES = { checks: "Checks", text: "Text", source: "Source", headers: "Headers", data: "Data", diff: "Diff" };

let about = { common: [], saved: false, version: "" };
/** The open message, as the server describes it. */
let view = null;
let request = new AbortController();

export function setCampaign(campaign) {
  about = campaign;
}

/** Loads the open message. With `keep`, does not redraw the Data tab. */
export async function load({ keep = false } = {}) {
  request.abort();
  request = new AbortController();
  const { row, set: values } = state();
  document.body.dataset.view = row ? "message" : "list";
  if (!row) {
    view = null;
    pane.replaceChildren(el("div", { class: "nothing" }, el("h1", {}, "No message is open"), el("kbd", {}, "j"), " opens the first one, ", el("kbd", {}, "?"), " shows all keys."));
    side.replaceChildren();
    return;
  }
  try {
    view = await api.message(row, values, request.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    view = null;
    pane.replaceChildren(back(), el("div", { class: "nothing", role: "alert" }, el("h1", {}, error.message)));
    side.replaceChildren();
    return;
  }
  draw();
  drawTabs();
  if (!(keep && state().tab === "data")) show();
}

const back = () => el("button", { type: "button", class: "quiet back", onclick: () => set({ row: 0 }, true) }, "← All recipients");

function draw() {
  const { message, error } = view;
  const isChanged = Object.keys(state().set).length > 0;
  const whatIf = isChanged && el("p", { class: "what-if" }, "With changed data", el("button", { type: "button", class: "quiet", id: "reset", onclick: () => set({ set: {} }) }, "Reset to the file"));
  if (!message) {
    fill(pane, el("div", { class: "head" }, back()), whatIf, el("div", { class: "failed", role: "alert" }, el("h1", {}, "This recipient gets no message"), finding(error)));
    return;
  }
  const line = (name, value) => value && el("div", {}, el("dt", {}, name), el("dd", {}, bdi(value)));
  const files = message.files.map((file) => file.name).join(", ");
  const stage = el("div", { class: "stage" });
  fill(
    pane,
    el(
      "header",
      { class: "head" },
      back(),
      el("h1", {}, bdi(message.subject || "(no subject)")),
      message.preheader && el("p", { class: "preheader" }, bdi(message.preheader)),
      el("dl", {}, line("From", mailbox(message.from)), line("To", mailbox(message.to)), line("Tags", message.tags.join(", ")), line("Files", files)),
    ),
    whatIf,
    frame.tools(message),
    stage,
  );
  if (message.html === null) fill(stage, el("p", { class: "nothing" }, "This message has no HTML. Tab 2 shows its text."));
  else fill(stage, frame.createFrame(view.row, about.version), frame.grip(() => byId("frame")));
}

function drawTabs() {
  const open = state().tab;
  const { findings } = view;
  const worst = findings.some((it) => it.severity === "error") ? "error" : findings.some((it) => it.severity === "warning") ? "warning" : "note";
  const button = (name, place) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-selected": name === open ? "true" : "false",
        "aria-controls": "panel",
        tabindex: name === open ? "0" : "-1",
        onclick: () => set({ tab: name }),
        onkeydown: (event) => moveTab(event, place),
      },
      NAMES[name],
      name === "checks" && findings.length > 0 && el("span", { class: `badge ${worst}` }, number(findings.length)),
      el("kbd", { "aria-hidden": "true" }, String(place + 1)),
    );
  const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "About the message" }, ...TABS.map(button));
  const panel = byId("panel") ?? el("div", { id: "panel", role: "tabpanel", tabindex: "0" });
  panel.setAttribute("aria-labelledby", `tab-${open}`);
  const focused = document.activeElement?.id;
  const old = side.querySelector(".tabs");
  if (old) old.replaceWith(tabs);
  else side.replaceChildren(tabs, panel);
  if (focused?.startsWith("tab-")) byId(`tab-${open}`)?.focus();
}

/** Arrow keys move between tabs. */
function moveTab(event, place) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  set({ tab: TABS[(place + by + TABS.length) % TABS.length] });
  byId(`tab-${state().tab}`)?.focus();
}

/** Counts draws of the panel. Content for an earlier round is dropped. */
let round = 0;

/** Fills the panel. */
async function show() {
  round += 1;
  const myRound = round;
  const [mine, panel, { tab }] = [view, byId("panel"), state()];
  let content;
  try {
    content = await PANELS[tab]({ view, about, signal: request.signal });
  } catch (error) {
    if (error.name === "AbortError") return;
    content = el("p", { class: "nothing", role: "alert" }, error.message);
  }
  if (myRound !== round || view !== mine || state().tab !== tab) return;
  panel.className = tab;
  const restoreFocus = panel.contains(document.activeElement) ? focusIn(document.activeElement) : null;
  panel.replaceChildren(content);
  restoreFocus?.();
}

/** A function that restores the focus and the selection in a field of the Data tab. */
function focusIn({ dataset: { column }, selectionStart, selectionEnd }) {
  if (column === undefined) return null;
  return () => {
    const field = [...byId("panel").querySelectorAll("[data-column]")].find((it) => it.dataset.column === column);
    field?.focus();
    field?.setSelectionRange(selectionStart, selectionEnd);
  };
}

list.onMoved(() => {
  if (view && state().tab === "diff" && state().against === "before") show();
});

watch((now, old) => {
  const setChanged = JSON.stringify(now.set) !== JSON.stringify(old.set);
  if (now.row !== old.row) load();
  else if (setChanged) load({ keep: document.activeElement?.dataset?.column !== undefined });
  else if (!view) return;
  else if (now.tab !== old.tab) {
    drawTabs();
    show();
  } else if (now.tab === "diff" && (now.against !== old.against || now.of !== old.of)) show();
  if (view && now.row === old.row && !setChanged && (now.w !== old.w || now.look !== old.look || now.images !== old.images)) {
    const focused = document.activeElement?.id;
    draw();
    if (focused) byId(focused)?.focus();
  }
});
