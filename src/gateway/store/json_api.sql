-- What only the API v2.1 has. These tables are in databases since version 3.

CREATE TABLE account_template (
  account     TEXT NOT NULL,
  external_id TEXT NOT NULL,             -- chosen by the client
  name        TEXT NOT NULL,
  html        TEXT NOT NULL,
  text        TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (account, external_id)
) STRICT;
CREATE INDEX account_template_external_id ON account_template (external_id);

-- Domains to whose addresses an account sends nothing.
CREATE TABLE domain_blacklist (
  account    TEXT NOT NULL,
  domain     TEXT NOT NULL,              -- normalized
  created_at INTEGER NOT NULL,
  PRIMARY KEY (account, domain)
) STRICT;
