-- The database of a stand-alone gateway. All times are milliseconds since 1970.
PRAGMA application_id = 0x6d726777;
PRAGMA user_version = 5;

-- An accepted request.
CREATE TABLE request (
  id       INTEGER PRIMARY KEY,
  req_id   TEXT NOT NULL,
  endpoint TEXT NOT NULL,               -- such as sendmail
  at       INTEGER NOT NULL,
  remote   TEXT,                        -- the client's address and port
  fields   TEXT NOT NULL                -- the form, a JSON array of [name, value], without the content of attachments,
                                         -- and with null for values that the messages contain unchanged
) STRICT;

-- The last headers and the body, which messages of one request share.
CREATE TABLE body (
  id      INTEGER PRIMARY KEY,
  request INTEGER NOT NULL REFERENCES request ON DELETE CASCADE,
  bytes   BLOB NOT NULL
) STRICT;
CREATE INDEX body_request ON body (request);

CREATE TABLE message (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  request        INTEGER REFERENCES request,
  body           INTEGER,                -- deleted with the request
  head           BLOB NOT NULL,          -- the first headers; head and body together are the message
  path           TEXT,                   -- the message's file in a Maildir, in place of head and body
  uid            TEXT NOT NULL,          -- the public ID, 32 hexadecimal digits
  message_id     TEXT NOT NULL,          -- without angle brackets
  account        TEXT NOT NULL,
  envelope_from  TEXT NOT NULL,
  from_address   TEXT NOT NULL,
  from_name      TEXT NOT NULL DEFAULT '',
  to_address     TEXT NOT NULL,
  to_name        TEXT NOT NULL DEFAULT '',
  copies         TEXT NOT NULL DEFAULT '[]', -- the addresses in cc and bcc, a JSON array
  subject        TEXT NOT NULL,
  tags           TEXT NOT NULL DEFAULT '[]', -- a JSON array
  created_at     INTEGER NOT NULL,
  updated_at     INTEGER NOT NULL,
  size           INTEGER NOT NULL,       -- bytes of the message
  has_attachment INTEGER NOT NULL DEFAULT 0,
  unread         INTEGER NOT NULL DEFAULT 1,
  status         TEXT NOT NULL,          -- injected deferred ok softbounce hardbounce spambounce dropped
  snippet        TEXT NOT NULL DEFAULT '' -- the first words of the text
) STRICT;
CREATE UNIQUE INDEX message_uid ON message (uid);
CREATE INDEX message_request ON message (request);
CREATE INDEX message_message_id ON message (message_id);
CREATE INDEX message_to ON message (to_address COLLATE NOCASE, created_at);
CREATE INDEX message_account ON message (account, created_at);
CREATE INDEX message_of_account ON message (account);  -- in the order of IDs, for the inbox
CREATE INDEX message_created ON message (created_at);
CREATE INDEX message_status ON message (status);
CREATE INDEX message_tags ON message (tags, created_at);
CREATE INDEX message_unread ON message (unread);

-- The events of a message.
CREATE TABLE event (
  id          INTEGER PRIMARY KEY,
  message     INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
  account     TEXT NOT NULL,             -- the message's
  copy        TEXT,                      -- the address in cc or bcc; null for the message's own recipient
  kind        TEXT NOT NULL,             -- a status, or open track feedback
  at          INTEGER NOT NULL,
  description TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_message ON event (message);
CREATE INDEX event_kind ON event (kind, at);
CREATE INDEX event_account ON event (account, kind, at);

-- Addresses to which an account sends nothing.
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

-- Recipients to whom the relay still has to send. A finished entry is deleted, and its message has an
-- event.
CREATE TABLE queue (
  id        INTEGER PRIMARY KEY,
  message   INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
  account   TEXT NOT NULL,
  recipient TEXT NOT NULL,               -- as in the SMTP envelope
  is_copy   INTEGER NOT NULL,            -- in cc or bcc
  state     TEXT NOT NULL,               -- waiting; sending; doubtful: waiting, and possibly accepted before
  attempts  INTEGER NOT NULL DEFAULT 0,
  doubts    INTEGER NOT NULL DEFAULT 0,  -- attempts that may have been accepted
  due_at    INTEGER NOT NULL,
  first_at  INTEGER NOT NULL,            -- when it was queued
  error     TEXT NOT NULL DEFAULT ''     -- why the last attempt failed
) STRICT;
CREATE INDEX queue_message ON queue (message);
CREATE INDEX queue_due ON queue (account, due_at) WHERE state <> 'sending';
CREATE INDEX queue_first ON queue (account, first_at);

-- How many queue entries were sent in each minute since 1970, for daily limits.
CREATE TABLE relayed (
  account TEXT NOT NULL,
  minute  INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  PRIMARY KEY (account, minute)
) STRICT, WITHOUT ROWID;
