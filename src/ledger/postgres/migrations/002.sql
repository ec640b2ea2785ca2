-- Lists of suppressed addresses. A list is locked while entries are added or removed.
CREATE TABLE mailrun.kept_list (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name     text NOT NULL UNIQUE,            -- without the @
  hash_key bytea NOT NULL                   -- of the hashes of addresses; it never changes
);

CREATE TABLE mailrun.kept_entry (
  list    bigint NOT NULL REFERENCES mailrun.kept_list ON DELETE CASCADE,
  hash    bytea NOT NULL,                   -- the keyed hash of the address
  reason  text COLLATE "C" NOT NULL,
  address text,                             -- NULL: it was forgotten
  source  text NOT NULL,
  at      bigint NOT NULL,
  note    text NOT NULL,
  counted boolean NOT NULL,                 -- it follows from `kept_soft_bounce`
  PRIMARY KEY (list, hash, reason)
);

-- Events up to this time don't suppress the address again.
CREATE TABLE mailrun.kept_removal (
  list   bigint NOT NULL REFERENCES mailrun.kept_list ON DELETE CASCADE,
  hash   bytea NOT NULL,
  reason text NOT NULL,
  at     bigint NOT NULL,
  PRIMARY KEY (list, hash, reason)
);

-- Messages that soft-bounced since the last message arrived.
CREATE TABLE mailrun.kept_soft_bounce (
  list    bigint NOT NULL REFERENCES mailrun.kept_list ON DELETE CASCADE,
  hash    bytea NOT NULL,
  message text NOT NULL,
  at      bigint NOT NULL,
  PRIMARY KEY (list, hash, message)
);

-- When the last message arrived.
CREATE TABLE mailrun.kept_delivery (
  list bigint NOT NULL REFERENCES mailrun.kept_list ON DELETE CASCADE,
  hash bytea NOT NULL,
  at   bigint NOT NULL,
  PRIMARY KEY (list, hash)
);
