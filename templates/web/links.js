// Links in plain text. Only text and elements are created; nothing is parsed as HTML.

import { el } from "./dom.js";

/** Up to a space, a quote, a bracket, or a character that changes the writing direction. */
const ADDRESS = /\b(?:https?:\/\/|mailto:)[^\s<>"“”„«»「」『』【】（）、。，\u202a-\u202e\u2066-\u2069]+/giu;
const OPENING = { ")": "(", "]": "[", "}": "{" };
/** Longer addresses stay text. */
const MAX_LENGTH = 4000;
/** The most links in a text. */
const MAX_LINKS = 5000;

const count = (text, character) => text.split(character).length - 1;

/** An address without the punctuation of the sentence around it. A closing bracket stays if it was opened. */
function trimmed(address) {
  let text = address;
  for (;;) {
    const last = text.at(-1);
    const isOpened = OPENING[last] && count(text, OPENING[last]) >= count(text, last);
    if (isOpened || !/[.,;:!?'’*…)\]}]/u.test(last)) return text;
    text = text.slice(0, -1);
  }
}

function isAddress(text) {
  const url = URL.parse?.(text) ?? tryUrl(text);
  return url !== null && ["http:", "https:", "mailto:"].includes(url.protocol) && (url.host || url.pathname) !== "";
}

function tryUrl(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** The parts of a text: strings and links. */
export function linked(text) {
  const parts = [];
  let [end, links] = [0, 0];
  for (const match of text.matchAll(ADDRESS)) {
    if (links === MAX_LINKS) break;
    if (match[0].length > MAX_LENGTH) continue;
    const address = trimmed(match[0]);
    if (!isAddress(address)) continue;
    parts.push(text.slice(end, match.index), el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, address));
    end = match.index + address.length;
    links += 1;
  }
  parts.push(text.slice(end));
  return parts;
}
