import { keyTable, searchTable, showHelp } from "./dialog.js";
import { byId } from "./dom.js";

const KEYS = [
  ["j k", "next or previous message"],
  ["Enter", "go into the message"],
  ["Esc", "back to the list; clear the search"],
  ["/", "search"],
  ["1 – 6", "HTML, text, source, headers, attachments, request"],
  ["u", "mark as unread or read"],
  ["d", "delete"],
  ["e", "download .eml"],
  ["w", "width of the HTML: 375, 600, full"],
  ["i", "load remote images, or not"],
  ["g", "groups"],
  ["t", "theme: light, dark, system"],
  ["?", "this help"],
];
const SEARCH = [
  ["word \"two words\"", "anywhere; without quotes, also the start of a word"],
  ["from: to: subject: text:", "only in this field"],
  ["tag:autumn tag:\"autumn\"", "tags that start with it; exactly this tag"],
  ["has:attachment is:unread is:read", "with attachments; unread or read"],
  ["status:hardbounce", "or ok, injected, deferred, softbounce, spambounce, dropped"],
  ["before:2026-11-24 after:2h", "a day, a time, or an age: 30m 2h 7d"],
  ["id: account: request: run:", "exactly this value"],
  ["-word -tag:autumn", "excludes matches"],
];

export const help = () => showHelp("Keys and search", keyTable(KEYS), searchTable(SEARCH));

byId("help-button").addEventListener("click", help);
