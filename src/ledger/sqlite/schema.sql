-- The ledger of one run. The plan writes each row once; `delivery` has its status.
PRAGMA application_id = 0x6d61696c;
PRAGMA user_version = 5;

CREATE TABLE run (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  name       TEXT NOT NULL,
  target     TEXT NOT NULL CHECK (target IN ('real', 'local', 'test')),
  test_to    TEXT,                      -- the one recipient of a test
  campaign   TEXT NOT NULL,             -- the campaign's folder
  started_at INTEGER NOT NULL,          -- milliseconds since 1970, like all times here
  id_prefix  TEXT NOT NULL,             -- the beginning of message IDs
  header     TEXT NOT NULL,             -- the columns' names, a JSON array
  blank_rows INTEGER NOT NULL DEFAULT 0,
  rows       INTEGER NOT NULL DEFAULT 0, -- their number, once the plan is complete
  members    INTEGER NOT NULL DEFAULT 0, -- the number of rows in the messages of earlier ones
  planned    INTEGER NOT NULL DEFAULT 0, -- 1 once the plan is complete
  variants   TEXT NOT NULL,             -- the names of the message's variants, a JSON array
  chosen     TEXT,                      -- the variant that was chosen for the rows that were held back
  scheduled  INTEGER NOT NULL DEFAULT 0 -- 1: `frozen` has its schedule. Ledgers of earlier runs lack this column
) STRICT;

CREATE TABLE recipient (
  row     INTEGER PRIMARY KEY,          -- from 1, in the order of the input
  line    INTEGER NOT NULL,             -- where the row begins in the file, from 1
  email   TEXT NOT NULL,                -- the address as written
  address TEXT,                         -- normalized; NULL if `email` is not an address
  key     TEXT,                         -- what tells the row apart from others of its address
  cells   TEXT NOT NULL                 -- a JSON array
) STRICT;

-- Rows in the message of an earlier row of their address, whose status they share.
CREATE TABLE member (
  row   INTEGER PRIMARY KEY,
  first INTEGER NOT NULL REFERENCES recipient,
  line  INTEGER NOT NULL,
  email TEXT NOT NULL,
  cells TEXT NOT NULL                   -- a JSON array
) STRICT;

CREATE TABLE delivery (
  row        INTEGER PRIMARY KEY REFERENCES recipient,
  status     TEXT NOT NULL CHECK (      -- not IN, for which SQLite builds a table at every update
               status = 'pending' OR status = 'sending' OR status = 'accepted' OR status = 'rejected'
               OR status = 'failed' OR status = 'unknown' OR status = 'invalid' OR status = 'skipped'),
  attempts   INTEGER NOT NULL DEFAULT 0,
  resends    INTEGER NOT NULL DEFAULT 0,
  alone      INTEGER NOT NULL DEFAULT 0, -- 1: needs its own request
  lane       INTEGER NOT NULL DEFAULT 0  -- n: the nth domain with its own limit; -1 - n: held back
             CHECK (lane >= 0 OR status = 'pending' OR status = 'invalid' OR status = 'skipped'),
  variant    TEXT,                       -- NULL if the message has none, or while it is held back
  chosen     INTEGER NOT NULL DEFAULT 0, -- 1: it was held back
  message_id TEXT,
  code       TEXT,                       -- the API's code, or the finding's
  error      TEXT,
  at         INTEGER                     -- when it got this status
) STRICT;

-- The own attachments of a row, as they were when the run was planned.
CREATE TABLE attachment (
  row      INTEGER NOT NULL REFERENCES recipient,
  position INTEGER NOT NULL,
  path     TEXT NOT NULL,
  size     INTEGER NOT NULL,
  sha256   TEXT NOT NULL,
  PRIMARY KEY (row, position)
) STRICT, WITHOUT ROWID;

-- How many recipients were posted in each minute since 1970, for the limits per day. `lane` is n for the nth domain
-- with its own limit, and 0 for all others.
CREATE TABLE posted (
  minute     INTEGER NOT NULL,
  lane       INTEGER NOT NULL,
  recipients INTEGER NOT NULL,
  PRIMARY KEY (minute, lane)
) STRICT, WITHOUT ROWID;

-- How many requests took up to so many milliseconds, and longer than the next smaller bound.
CREATE TABLE latency (
  bound    INTEGER PRIMARY KEY,
  requests INTEGER NOT NULL
) STRICT;
