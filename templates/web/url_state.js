// The state of the page, kept in its URL only.

/** `value` if it is one of `values`, otherwise the first of them. */
export const oneOf = (values, value) => (values.includes(value) ? value : values[0]);

/** The value after this one; after the last comes the first. */
export const nextOf = (values, value) => values[(values.indexOf(value) + 1) % values.length];

/**
 * `read()` parses the URL into a state, and `write(state)` returns the URL of a state.
 * `adjust(state, next, change)` may modify the next state before it is set.
 */
export function createUrlState(read, write, adjust = () => {}) {
  let state = read();
  const watchers = [];

  function replace(next) {
    const previous = state;
    state = next;
    for (const watcher of watchers) watcher(state, previous);
  }

  window.addEventListener("popstate", () => replace(read()));
  return {
    state: () => state,
    /** Calls `watcher(state, previous)` after each change. */
    watch: (watcher) => watchers.push(watcher),
    /** Changes part of the state. With `step`, the browser's Back returns to the present state. */
    set(change, step = false) {
      const next = { ...state, ...change };
      adjust(state, next, change);
      const url = write(next);
      if (url === write(state)) return;
      history[step ? "pushState" : "replaceState"](null, "", url);
      replace(next);
    },
  };
}
