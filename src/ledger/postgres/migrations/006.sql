-- What tells a row apart from other rows of its address.
ALTER TABLE mailrun.recipient ADD COLUMN key text;

-- Rows in the message of an earlier row of their address, whose status they share. Like `recipient`, without a foreign key.
CREATE TABLE mailrun.member (
  run   bigint NOT NULL,
  row   integer NOT NULL,
  first integer NOT NULL,
  line  bigint NOT NULL,
  email text NOT NULL,
  cells text NOT NULL,                      -- a JSON array
  PRIMARY KEY (run, row)
);
CREATE INDEX member_first ON mailrun.member (run, first, row);

CREATE OR REPLACE FUNCTION mailrun.delete_run(p_run bigint) RETURNS void LANGUAGE sql AS $$
  DELETE FROM mailrun.member WHERE run = p_run;
  DELETE FROM mailrun.recipient WHERE run = p_run;
  DELETE FROM mailrun.delivery WHERE run = p_run;
  DELETE FROM mailrun.run WHERE id = p_run;
$$;
