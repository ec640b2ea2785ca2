-- What a stand-alone gateway keeps. All times are milliseconds since 1970.
PRAGMA application_id = 0x6d726777;
PRAGMA user_version = 2;

-- A request that was taken.
CREATE TABLE request (
  id       INTEGER PRIMARY KEY,
  req_id   TEXT NOT NULL,
  endpoint TEXT NOT NULL,               -- such as sendmail
  at       INTEGER NOT NULL,
  remote   TEXT,                        -- who asked: address and port
  fields   TEXT NOT NULL                -- the form as it was sent, a JSON array of [name, value]; no attachments' content,
                                         -- and null for what the messages hold as it is
) STRICT;

-- What messages of one request have in common: the last headers and the body.
CREATE TABLE body (
  id      INTEGER PRIMARY KEY,
  request INTEGER NOT NULL REFERENCES request ON DELETE CASCADE,
  bytes   BLOB NOT NULL
) STRICT;
CREATE INDEX body_request ON body (request);

CREATE TABLE message (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  request        INTEGER REFERENCES request,
  body           INTEGER,                -- goes with the request
  head           BLOB NOT NULL,          -- the first headers; head and body together are the message
  path           TEXT,                   -- instead of both: the file of a Maildir
  uid            TEXT NOT NULL,          -- its public name, 32 hexadecimal digits
  message_id     TEXT NOT NULL,          -- without angle brackets
  account        TEXT NOT NULL,
  envelope_from  TEXT NOT NULL,
  from_address   TEXT NOT NULL,
  from_name      TEXT NOT NULL DEFAULT '',
  to_address     TEXT NOT NULL,
  to_name        TEXT NOT NULL DEFAULT '',
  copies         TEXT NOT NULL DEFAULT '[]', -- who else is in the envelope (cc, bcc), a JSON array
  subject        TEXT NOT NULL,
  tags           TEXT NOT NULL DEFAULT '[]', -- a JSON array
  created_at     INTEGER NOT NULL,
  updated_at     INTEGER NOT NULL,
  size           INTEGER NOT NULL,       -- bytes of the message
  has_attachment INTEGER NOT NULL DEFAULT 0,
  unread         INTEGER NOT NULL DEFAULT 1,
  status         TEXT NOT NULL,          -- injected ok softbounce hardbounce spambounce dropped
  snippet        TEXT NOT NULL DEFAULT '' -- how its text begins
) STRICT;
CREATE UNIQUE INDEX message_uid ON message (uid);
CREATE INDEX message_request ON message (request);
CREATE INDEX message_message_id ON message (message_id);
CREATE INDEX message_to ON message (to_address COLLATE NOCASE, created_at);
CREATE INDEX message_account ON message (account, created_at);
CREATE INDEX message_of_account ON message (account);  -- in the order of the IDs, for the inbox
CREATE INDEX message_created ON message (created_at);
CREATE INDEX message_status ON message (status);
CREATE INDEX message_tags ON message (tags, created_at);
CREATE INDEX message_unread ON message (unread);

-- What became of a message.
CREATE TABLE event (
  id          INTEGER PRIMARY KEY,
  message     INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
  account     TEXT NOT NULL,             -- its message's
  copy        TEXT,                      -- whose copy (cc, bcc) it is about; else it is about the message's own recipient
  kind        TEXT NOT NULL,             -- injected ok softbounce hardbounce spambounce dropped feedback
  at          INTEGER NOT NULL,
  description TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_message ON event (message);
CREATE INDEX event_kind ON event (kind, at);
CREATE INDEX event_account ON event (account, kind, at);

-- Addresses that get nothing.
CREATE TABLE blacklist (
  account    TEXT NOT NULL,
  email      TEXT NOT NULL,              -- normalized
  reason     TEXT NOT NULL,              -- unsubscribe hardbounce spam_complaint other
  comment    TEXT NOT NULL DEFAULT '',
  source     TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  PRIMARY KEY (account, email)
) STRICT;
CREATE INDEX blacklist_email ON blacklist (email);

CREATE TABLE template (
  id         TEXT PRIMARY KEY,
  html       TEXT NOT NULL DEFAULT '',
  text       TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL
) STRICT;

-- What still has to go to an SMTP server, an entry for each recipient. What is over is not here: its
-- message has an event of it.
CREATE TABLE queue (
  id        INTEGER PRIMARY KEY,
  message   INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
  account   TEXT NOT NULL,
  recipient TEXT NOT NULL,               -- as SMTP has it
  is_copy   INTEGER NOT NULL,            -- of cc or bcc
  state     TEXT NOT NULL,               -- waiting sending; doubtful: waiting, and it may have been taken
  attempts  INTEGER NOT NULL DEFAULT 0,
  doubts    INTEGER NOT NULL DEFAULT 0,  -- attempts after which it may have been taken
  due_at    INTEGER NOT NULL,
  first_at  INTEGER NOT NULL,            -- when it was queued
  error     TEXT NOT NULL DEFAULT ''     -- why it was not taken so far
) STRICT;
CREATE INDEX queue_message ON queue (message);
CREATE INDEX queue_due ON queue (account, due_at) WHERE state <> 'sending';
CREATE INDEX queue_first ON queue (account, first_at);

-- How many entries of the queue were sent in a minute since 1970, for limits of a day.
CREATE TABLE relayed (
  account TEXT NOT NULL,
  minute  INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  PRIMARY KEY (account, minute)
) STRICT, WITHOUT ROWID;
