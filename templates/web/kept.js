// What is looked at, kept in the page's URL, and nowhere else.

/** One of `values`; the first of them if it is none. */
export const one = (values, value) => (values.includes(value) ? value : values[0]);

/** The value after this one, and the first after the last. */
export const after = (values, value) => values[(values.indexOf(value) + 1) % values.length];

/** `read()` gives the state that the URL means, `write(state)` the URL. `goes(now, next)` may amend what comes next. */
export function keep(read, write, goes = () => {}) {
  let now = read();
  const watchers = [];

  function become(next) {
    const before = now;
    now = next;
    for (const watcher of watchers) watcher(now, before);
  }

  window.addEventListener("popstate", () => become(read()));
  return {
    /** What is looked at now. */
    state: () => now,
    /** Calls `watcher(state, before)` after every change. */
    watch: (watcher) => watchers.push(watcher),
    /** Changes a part of it. With `step`, Back comes here again. */
    set(change, step = false) {
      const next = { ...now, ...change };
      goes(now, next, change);
      const url = write(next);
      if (url === write(now)) return;
      history[step ? "pushState" : "replaceState"](null, "", url);
      become(next);
    },
  };
}
