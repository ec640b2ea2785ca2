-- The keys of the hashes that stand for the addresses of forgotten people. They are never changed: with others,
-- nobody could tell that these people got a message.
CREATE TABLE mailrun.forget_key (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name      text NOT NULL UNIQUE,           -- part of each hash
  key       bytea NOT NULL,
  inner_pad bytea NOT NULL,                 -- the key as HMAC uses it (RFC 2104)
  outer_pad bytea NOT NULL
);

-- What stands for a normalized address: the first 32 digits of its HMAC-SHA-256.
CREATE FUNCTION mailrun.forgotten(k mailrun.forget_key, address text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'forgotten:' || k.name || ':'
    || left(encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(address, 'UTF8'))), 'hex'), 32)
$$;
