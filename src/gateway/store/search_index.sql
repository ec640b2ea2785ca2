-- The search index. Row IDs are those of the messages. It can be rebuilt from the messages at any time.
PRAGMA user_version = 3;

CREATE VIRTUAL TABLE words USING fts5 (
  subject, sender, recipient, body, tags,
  headers,                              -- the values of other headers
  links,                                -- where links in the HTML lead
  flags,                                -- U+E000 in every message; attachment
  content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);
