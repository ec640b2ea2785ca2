// The help.

import { help as shown, keys, words } from "./dialog.js";
import { byId } from "./dom.js";

const KEYS = [
  ["j k", "next, previous recipient"],
  ["r", "any recipient"],
  ["e", "the next with an error or a warning"],
  ["/", "search"],
  ["1 – 6", "checks, text, source, headers, data, diff"],
  ["w", "width of the message: 375, 600, full"],
  ["d", "light, inverted, dark styles"],
  ["i", "remote images"],
  ["c", "copy the HTML"],
  ["Enter", "into the tab"],
  ["Esc", "back to the list; out of the search"],
  ["t", "this page light, dark, as the system"],
  ["?", "this help"],
];
const SEARCH = [
  ["word \"two words\"", "anywhere in the row"],
  ["city:Kraków city:Kra*", "the cell of a column; its beginning"],
  ["\"first name\":Anna", "a column with a space in its name"],
  ["\"size \"\"XL\"\"\"", "a quote in quotes is doubled"],
  ["missing:city", "a blank cell"],
  ["longest:city shortest:city", "the rows with the longest, or shortest, cells first"],
  ["has:findings has:errors", "messages that something is wrong with"],
  ["-word -city:Kraków", "not so"],
];

/** Shows all keys and the language of the search. */
export const help = () => shown("Keys and search", keys(KEYS), words(SEARCH));

byId("help-button").addEventListener("click", help);
