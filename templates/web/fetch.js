// Requests to the server. Every response is JSON or text, and the page shows it as text.

/** A request that failed. Its message is for people. */
export class RequestError extends Error {}

/** Fetches a path; throws unless the response is a success. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("Can't reach the program that shows this page.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const message = body.error || body.message;
  throw new RequestError(typeof message === "string" ? message : `The server answered ${response.status}.`);
}

/** The query string of the parameters that have a value. */
export const queryString = (params) => {
  const present = Object.entries(params).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(present).toString();
};
