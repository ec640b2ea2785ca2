-- Variants of the message. A row that is held back until a variant is chosen has a negative lane, -1 - n in place of
-- n, and no variant. No worker leases such a lane.
ALTER TABLE mailrun.run
  ADD COLUMN variants text NOT NULL DEFAULT '[]', -- their names, a JSON array
  ADD COLUMN chosen text;                         -- the one that was chosen for the rows that were held back
ALTER TABLE mailrun.delivery
  ADD COLUMN variant text,                        -- NULL if the message has none, or while the row is held back
  ADD COLUMN chosen boolean NOT NULL DEFAULT false, -- it was held back
  ADD CONSTRAINT held_back CHECK (lane >= 0 OR status IN ('pending', 'invalid', 'skipped'));

-- Divides the pending rows of a run that are not held back into free ranges. No worker may be live.
CREATE OR REPLACE FUNCTION mailrun.make_ranges(p_run bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM mailrun.range WHERE run = p_run;
  INSERT INTO mailrun.range (run, lane, first, last)
  SELECT p_run, lane, min(row), max(row) FROM mailrun.delivery
  WHERE run = p_run AND status = 'pending' AND lane >= 0 GROUP BY lane, (row - 1) / 256;
END
$$;

-- Gives the rows that are held back a variant, in a transaction between `begin_change` and `end_change`. Returns the
-- variant that was chosen before, if it is another one; then nothing is changed.
CREATE FUNCTION mailrun.choose_variant(p_run bigint, p_variant text, OUT other text, OUT rows bigint)
LANGUAGE plpgsql AS $$
DECLARE
  known text;
BEGIN
  rows := 0;
  SELECT chosen INTO known FROM mailrun.run WHERE id = p_run FOR UPDATE;
  IF known <> p_variant THEN
    other := known;
    RETURN;
  END IF;
  UPDATE mailrun.run SET chosen = p_variant WHERE id = p_run;
  UPDATE mailrun.delivery SET variant = p_variant, chosen = true, lane = -1 - lane
  WHERE run = p_run AND lane < 0 AND status = 'pending';
  GET DIAGNOSTICS rows = ROW_COUNT;
END
$$;
