-- How many requests of a worker took up to so many milliseconds, and longer than the next smaller bound.
CREATE TABLE mailrun.latency (
  run      bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  worker   bigint NOT NULL,
  bound    integer NOT NULL,
  requests bigint NOT NULL,
  PRIMARY KEY (run, worker, bound)
);
