// The help dialog.

import { keyTable, searchTable, showHelp } from "./dialog.js";
import { byId } from "./dom.js";

const KEYS = [
  ["j k", "next, previous recipient"],
  ["r", "random recipient"],
  ["e", "next message with an error or a warning"],
  ["/", "search"],
  ["1 – 6", "checks, text, source, headers, data, diff"],
  ["w", "message width: 375, 600, full"],
  ["d", "message colours: light, inverted, dark"],
  ["i", "load remote images, or not"],
  ["c", "copy the HTML"],
  ["Enter", "move the focus into the tab"],
  ["Esc", "move the focus to the list; clear the search; close the message"],
  ["t", "page colours: system, light, dark"],
  ["?", "this help"],
];
const SEARCH = [
  ["word \"two words\"", "anywhere in the row"],
  ["city:Kraków city:Kra*", "the whole cell of a column; its beginning"],
  ["\"first name\":Anna", "a column with a space in its name"],
  ["\"size \"\"XL\"\"\"", "a quote inside quotes, written twice"],
  ["missing:city", "the cell is blank"],
  ["longest:city shortest:city", "sorted by the length of the cell"],
  ["has:findings has:errors", "messages with errors or warnings; with errors"],
  ["-word -city:Kraków", "excludes matches"],
];

export const help = () => showHelp("Keys and search", keyTable(KEYS), searchTable(SEARCH));

byId("help-button").addEventListener("click", help);
