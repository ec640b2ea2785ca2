-- What happens after messages were accepted. These tables are in databases since version 4.

-- Events of captured messages that are still to happen.
CREATE TABLE upcoming_event (
  id          INTEGER PRIMARY KEY,
  message     INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
  recipient   TEXT NOT NULL,             -- normalized
  kind        TEXT NOT NULL,
  at          INTEGER NOT NULL,
  description TEXT NOT NULL
) STRICT;
CREATE INDEX upcoming_event_message ON upcoming_event (message);
CREATE INDEX upcoming_event_at ON upcoming_event (at);

-- How many events there were since the database was created, also those of deleted messages.
CREATE TABLE event_total (
  kind   TEXT PRIMARY KEY,
  events INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
