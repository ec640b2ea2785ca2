-- The words of the messages, for the search. The row's ID is the message's. It can be made again from
-- the messages at any time.
PRAGMA user_version = 2;

CREATE VIRTUAL TABLE words USING fts5 (
  subject, sender, recipient, body, tags,
  flags,                                -- U+E000 for each, attachment
  content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);
