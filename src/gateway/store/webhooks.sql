-- Events that are pushed to a webhook. These tables are in databases since version 5.

-- One row while a webhook is configured.
CREATE TABLE webhook (
  kind TEXT PRIMARY KEY                  -- v2 events
) STRICT, WITHOUT ROWID;

-- Events that are not in a request yet.
CREATE TABLE webhook_event (
  event INTEGER PRIMARY KEY REFERENCES event ON DELETE CASCADE
) STRICT;

-- Requests that the receiver has not answered with 200 yet.
CREATE TABLE webhook_request (
  id         INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL,              -- of the webhook when it was created
  request_id TEXT NOT NULL,              -- this and the body are the same at each attempt
  body       BLOB NOT NULL,
  failures   INTEGER NOT NULL DEFAULT 0, -- attempts so far
  due_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_request_due ON webhook_request (due_at);

-- How many attempts had each result since the database was created.
CREATE TABLE webhook_total (
  result   TEXT PRIMARY KEY,             -- delivered failed given_up
  requests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
