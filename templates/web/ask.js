// Asking the server. Every answer is JSON or text, and is shown as text.

/** An answer that is no success; its message is for people. */
export class Refused extends Error {}

/** Asks; anything but a success is thrown. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The program that shows this page can't be reached.");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  const words = said.error || said.message;
  throw new Refused(typeof words === "string" ? words : `The answer was ${answer.status}.`);
}

/** The query of a URL, of what is set. */
export const query = (fields) => {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(set).toString();
};
