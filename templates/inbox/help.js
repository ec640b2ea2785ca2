// The help.

import { help as shown, keys, words } from "./dialog.js";
import { byId } from "./dom.js";

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

/** Shows all keys and the language of the search. */
export const help = () => shown("Keys and search", keys(KEYS), words(SEARCH));

byId("help-button").addEventListener("click", help);
