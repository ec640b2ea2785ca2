-- The schema and its version. Another user may have created the schema for the user that runs this.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'mailrun') THEN
        CREATE SCHEMA mailrun;
    END IF;
END
$$;

CREATE TABLE mailrun.schema_version (
    version int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- In the order of the program's statuses: `counts` columns have one number for each.
CREATE TYPE mailrun.status AS ENUM
  ('pending', 'sending', 'accepted', 'rejected', 'failed', 'unknown', 'invalid', 'skipped');

-- Locked while a run of the campaign is added, or a worker joins one.
CREATE TABLE mailrun.campaign (
  name text PRIMARY KEY
);

CREATE TABLE mailrun.run (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name              text NOT NULL UNIQUE,   -- as in the folder of a run: time, campaign, letters
  campaign          text NOT NULL REFERENCES mailrun.campaign,
  target            text NOT NULL CHECK (target IN ('real', 'local', 'test')),
  test_to           text,                   -- the one recipient of a test
  folder            text NOT NULL,          -- the campaign's folder on the machine that planned the run
  started_at        bigint NOT NULL,        -- milliseconds since 1970, like all columns of this type
  id_prefix         text NOT NULL,          -- the beginning of message IDs
  header            text NOT NULL,          -- the columns' names, a JSON array
  blank_rows        bigint NOT NULL,
  rows              bigint NOT NULL,
  verp_key          bytea,                  -- signs return paths
  counts            bigint[] NOT NULL,      -- rows by status, without what workers changed
  system_identifier bigint NOT NULL,        -- of the cluster that has all claims
  timeline          integer NOT NULL,
  stop_at           timestamptz,            -- workers that began before it stop
  stop_reason       text,
  paused_until      timestamptz,            -- the server asked for a pause, or could not be reached
  pause_reason      text,
  moved_to          text                    -- where the run continues: this copy is not sent
);

-- The campaign, its templates and all attachments, as they were when the run was planned.
CREATE TABLE mailrun.file (
  run     bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  path    text NOT NULL,                    -- in the campaign's folder
  sha256  text NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (run, path)
);

-- `recipient` and `delivery` have no foreign keys, whose checks would take most of the time of a plan.
-- `delete_run` deletes their rows.
CREATE TABLE mailrun.recipient (
  run     bigint NOT NULL,
  row     integer NOT NULL,                 -- from 1, in the order of the input
  line    bigint NOT NULL,                  -- where the row begins in the file, from 1
  email   text NOT NULL,                    -- the address as written
  address text,                             -- normalized; NULL if `email` is not an address
  cells   text NOT NULL,                    -- a JSON array
  PRIMARY KEY (run, row)
);

CREATE TABLE mailrun.delivery (
  run        bigint NOT NULL,
  row        integer NOT NULL,
  status     mailrun.status NOT NULL,
  attempts   integer NOT NULL DEFAULT 0,
  resends    integer NOT NULL DEFAULT 0,
  alone      boolean NOT NULL DEFAULT false, -- needs its own request
  lane       integer NOT NULL DEFAULT 0,     -- n: the nth domain with its own limit
  worker     bigint,                         -- who claimed it last,
  claim      bigint,                         -- and in which of its commits
  message_id text,
  code       text,                           -- the API's code, or the finding's
  error      text,
  at         bigint,                         -- when it got this status
  PRIMARY KEY (run, row)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The own attachments of a row; their contents are in `file`.
CREATE TABLE mailrun.attachment (
  run      bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  row      integer NOT NULL,
  position integer NOT NULL,
  path     text NOT NULL,
  size     bigint NOT NULL,
  sha256   text NOT NULL,
  PRIMARY KEY (run, row, position)
);

-- What the API said about accepted messages, and when it was asked. Locked while events are added.
CREATE TABLE mailrun.follow (
  run          bigint PRIMARY KEY REFERENCES mailrun.run ON DELETE CASCADE,
  followed_at  bigint,                       -- when the API was asked last
  known_before bigint                        -- all events before this time are known
);

CREATE TABLE mailrun.event (
  run         bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  row         integer NOT NULL,
  kind        text NOT NULL,
  at          bigint NOT NULL,               -- if the API does not say when, the time of the answer
  description text NOT NULL,
  PRIMARY KEY (run, row, kind, at)
);

-- What follows from the events of a row.
CREATE TABLE mailrun.delivery_state (
  run   bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  row   integer NOT NULL,
  state text NOT NULL,
  PRIMARY KEY (run, row)
) WITH (fillfactor = 70);

-- A process that sends a run.
CREATE TABLE mailrun.worker (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run          bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  host         text NOT NULL,
  process      integer NOT NULL,
  started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  steady_since timestamptz NOT NULL DEFAULT clock_timestamp(), -- since when no heartbeat was late
  lease        interval NOT NULL,            -- how long it may be silent
  ended_at     timestamptz,
  end_reason   text,                         -- if others ended it
  commits      bigint NOT NULL DEFAULT 0,    -- the number of its last commit,
  committed    text,                         -- and its result
  counts       bigint[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0}', -- what it added to the run's counts
  refusals     bigint NOT NULL DEFAULT 0,    -- how often the server asked it for less
  taken        bigint NOT NULL DEFAULT 0,    -- messages that the server accepted from it
  failed       bigint NOT NULL DEFAULT 0,    -- messages that were rejected, failed or are unknown
  failure      text,                         -- the reason of the last one
  rate         double precision NOT NULL DEFAULT 0 -- recipients a second lately
);
CREATE INDEX worker_of_run ON mailrun.worker (run);

-- Rows that one worker may claim: the pending ones of a lane between two rows. A range is deleted when none
-- is left.
CREATE TABLE mailrun.range (
  run    bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  lane   integer NOT NULL,
  first  integer NOT NULL,
  last   integer NOT NULL,
  worker bigint,                             -- NULL: free
  lease  bigint,                             -- the number of the worker's lease in the lane
  PRIMARY KEY (run, lane, first)
);
CREATE INDEX range_of_worker ON mailrun.range (worker);

-- When the next recipient of a lane may go, if all are spaced evenly. Lane 0 has the limit of the run.
CREATE TABLE mailrun.pace (
  run     bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  lane    integer NOT NULL,
  next_at timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (run, lane)
);

-- Permits that count against a limit per day and are not used yet.
CREATE TABLE mailrun.permit (
  run        bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  lane       integer NOT NULL,
  worker     bigint NOT NULL,
  recipients bigint NOT NULL,
  PRIMARY KEY (run, lane, worker)
);

-- How many recipients of a lane a worker posted in each minute since 1970, for the limits per day.
CREATE TABLE mailrun.posted (
  run        bigint NOT NULL REFERENCES mailrun.run ON DELETE CASCADE,
  minute     bigint NOT NULL,
  lane       integer NOT NULL,
  worker     bigint NOT NULL,
  recipients bigint NOT NULL,
  PRIMARY KEY (run, minute, lane, worker)
);

-- Functions that touch a few rows of a run turn other plans than index scans off: without statistics, as after
-- a large run was added, the planner would read whole tables.

CREATE FUNCTION mailrun.now_in_millis() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- `counts` with `rows` more rows in `status`.
CREATE FUNCTION mailrun.count_in(counts bigint[], status mailrun.status, rows bigint) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  i integer := array_position(enum_range(NULL::mailrun.status), status);
BEGIN
  counts[i] := counts[i] + rows;
  RETURN counts;
END
$$;

CREATE FUNCTION mailrun.sum_counts(a bigint[], b bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_agg(x + y ORDER BY i) FROM unnest(a, b) WITH ORDINALITY AS t(x, y, i)
$$;
CREATE AGGREGATE mailrun.total_counts(bigint[]) (
  SFUNC = mailrun.sum_counts, STYPE = bigint[], INITCOND = '{0,0,0,0,0,0,0,0}'
);

-- Divides the pending rows of a run into free ranges. No worker may be live.
CREATE FUNCTION mailrun.make_ranges(p_run bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM mailrun.range WHERE run = p_run;
  INSERT INTO mailrun.range (run, lane, first, last)
  SELECT p_run, lane, min(row), max(row) FROM mailrun.delivery
  WHERE run = p_run AND status = 'pending' GROUP BY lane, (row - 1) / 256;
END
$$;

-- Locks a worker until the end of the transaction. It may claim rows until the others end it, even after its
-- lease: a request that would begin too late is not posted.
CREATE FUNCTION mailrun.lock_worker(p_worker bigint) RETURNS mailrun.worker LANGUAGE sql AS $$
  SELECT w FROM mailrun.worker AS w WHERE id = p_worker FOR UPDATE
$$;

-- Ends a worker that is locked: its rows in flight are unknown, and its other rows are free for others.
CREATE FUNCTION mailrun.end_worker(w mailrun.worker, p_reason text) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  unknown bigint;
BEGIN
  UPDATE mailrun.delivery AS d SET status = 'unknown', at = mailrun.now_in_millis(),
    error = format('the connection of %s (process %s) to the ledger ended while the request was in flight', w.host, w.process)
  FROM mailrun.range AS r
  WHERE r.worker = w.id AND d.run = r.run AND d.row BETWEEN r.first AND r.last
    AND d.worker = w.id AND d.status = 'sending';
  GET DIAGNOSTICS unknown = ROW_COUNT;
  PERFORM mailrun.delete_done_ranges(w.id);
  UPDATE mailrun.range SET worker = NULL, lease = NULL WHERE worker = w.id;
  DELETE FROM mailrun.permit WHERE worker = w.id;
  UPDATE mailrun.worker SET ended_at = clock_timestamp(), end_reason = p_reason, rate = 0,
    counts = mailrun.count_in(mailrun.count_in(counts, 'sending', -unknown), 'unknown', unknown)
  WHERE id = w.id;
END
$$;

CREATE FUNCTION mailrun.delete_done_ranges(p_worker bigint) RETURNS void LANGUAGE sql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
  DELETE FROM mailrun.range AS r WHERE worker = p_worker AND NOT EXISTS (
    SELECT FROM mailrun.delivery AS d
    WHERE d.run = r.run AND d.row BETWEEN r.first AND r.last AND d.lane = r.lane
      AND d.status IN ('pending', 'sending'))
$$;

-- Ends the workers of a run that were silent for longer than their lease. A database that has just started
-- waits: it is the reason of the silence.
CREATE FUNCTION mailrun.end_silent_workers(p_run bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  w mailrun.worker;
BEGIN
  FOR w IN
    SELECT * FROM mailrun.worker
    WHERE run = p_run AND ended_at IS NULL AND heartbeat_at < clock_timestamp() - lease
      AND pg_postmaster_start_time() < clock_timestamp() - lease
    FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM mailrun.end_worker(w, format('it sent no heartbeat for %s', w.lease));
  END LOOP;
END
$$;

-- Settles claimed rows, claims pending ones, and leaves others out, in the worker's commit number `p_commit`.
-- The arrays of one prefix belong together. Returns 'done', or 'not live' if only the settlements were
-- written, or 'lost' if the database does not know the worker's last commit. A commit that is repeated,
-- because its answer was lost, changes nothing.
CREATE FUNCTION mailrun.commit_work(
  p_worker bigint, p_commit bigint,
  s_rows integer[], s_claims bigint[], s_statuses text[], s_uncounted integer[], s_message_ids text[],
  s_codes text[], s_errors text[],
  c_rows integer[], c_lanes integer[],
  l_rows integer[], l_statuses text[], l_codes text[], l_errors text[]
) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  w mailrun.worker := mailrun.lock_worker(p_worker);
  result text := 'done';
  now_in_millis bigint := mailrun.now_in_millis();
  now_counts bigint[] := w.counts;
  changed bigint;
  r record;
BEGIN
  IF w.id IS NULL OR w.commits < p_commit - 1 THEN
    RETURN 'lost';
  ELSIF w.commits >= p_commit THEN
    RETURN w.committed;
  END IF;

  IF cardinality(s_rows) > 0 AND w.ended_at IS NULL THEN
    UPDATE mailrun.delivery AS d SET status = s.status::mailrun.status,
      attempts = d.attempts - s.uncounted, message_id = s.message_id, code = s.code, error = s.error,
      at = now_in_millis
    FROM unnest(s_rows, s_claims, s_statuses, s_uncounted, s_message_ids, s_codes, s_errors)
      AS s(row, claim, status, uncounted, message_id, code, error)
    WHERE d.run = w.run AND d.row = s.row AND d.worker = p_worker AND d.claim = s.claim
      AND d.status = 'sending';
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> cardinality(s_rows) THEN
      RAISE EXCEPTION 'one of the rows to settle does not have the expected status' USING ERRCODE = 'MR001';
    END IF;
    FOR r IN SELECT status::mailrun.status AS status, count(*) AS rows FROM unnest(s_statuses) AS status GROUP BY 1 LOOP
      now_counts := mailrun.count_in(now_counts, r.status, r.rows);
    END LOOP;
    now_counts := mailrun.count_in(now_counts, 'sending', -changed);
  ELSIF cardinality(s_rows) > 0 THEN
    -- Its rows in flight became unknown. A late answer counts unless the row was changed since. A row that the
    -- server did not take has failed: others may have finished its range.
    FOR r IN
      WITH late AS (
        UPDATE mailrun.delivery AS d SET
          status = (CASE s.status WHEN 'pending' THEN 'failed' ELSE s.status END)::mailrun.status,
          attempts = d.attempts - s.uncounted, message_id = s.message_id, code = s.code, error = s.error,
          at = now_in_millis
        FROM unnest(s_rows, s_claims, s_statuses, s_uncounted, s_message_ids, s_codes, s_errors)
          AS s(row, claim, status, uncounted, message_id, code, error)
        WHERE d.run = w.run AND d.row = s.row AND d.worker = p_worker AND d.claim = s.claim
          AND d.status = 'unknown'
        RETURNING d.status
      )
      SELECT status, count(*) AS rows FROM late GROUP BY 1
    LOOP
      now_counts := mailrun.count_in(mailrun.count_in(now_counts, r.status, r.rows), 'unknown', -r.rows);
    END LOOP;
  END IF;

  IF cardinality(c_rows) + cardinality(l_rows) > 0 AND w.ended_at IS NOT NULL THEN
    result := 'not live';
  ELSE
    IF cardinality(c_rows) > 0 THEN
      UPDATE mailrun.delivery SET status = 'sending', attempts = attempts + 1, code = NULL, error = NULL,
        worker = p_worker, claim = p_commit, at = now_in_millis
      WHERE run = w.run AND row = ANY (c_rows) AND status = 'pending';
      GET DIAGNOSTICS changed = ROW_COUNT;
      IF changed <> cardinality(c_rows) THEN
        RAISE EXCEPTION 'one of the rows to claim does not have the expected status' USING ERRCODE = 'MR001';
      END IF;
      now_counts := mailrun.count_in(mailrun.count_in(now_counts, 'pending', -changed), 'sending', changed);
      INSERT INTO mailrun.posted AS p (run, minute, lane, worker, recipients)
      SELECT w.run, now_in_millis / 60000, lane, p_worker, count(*) FROM unnest(c_lanes) AS lane GROUP BY lane
      ON CONFLICT (run, minute, lane, worker) DO UPDATE SET recipients = p.recipients + excluded.recipients;
      UPDATE mailrun.permit AS p SET recipients = greatest(0, p.recipients - c.rows)
      FROM (SELECT lane, count(*) AS rows FROM unnest(c_lanes) AS lane GROUP BY lane
            UNION ALL SELECT -1, cardinality(c_rows)) AS c
      WHERE p.run = w.run AND p.worker = p_worker AND p.lane = c.lane;
    END IF;
    IF cardinality(l_rows) > 0 THEN
      UPDATE mailrun.delivery AS d SET status = l.status::mailrun.status, code = l.code, error = l.error,
        at = now_in_millis
      FROM unnest(l_rows, l_statuses, l_codes, l_errors) AS l(row, status, code, error)
      WHERE d.run = w.run AND d.row = l.row AND d.status = 'pending';
      GET DIAGNOSTICS changed = ROW_COUNT;
      IF changed <> cardinality(l_rows) THEN
        RAISE EXCEPTION 'one of the rows to leave out does not have the expected status' USING ERRCODE = 'MR001';
      END IF;
      FOR r IN SELECT status::mailrun.status AS status, count(*) AS rows FROM unnest(l_statuses) AS status GROUP BY 1 LOOP
        now_counts := mailrun.count_in(now_counts, r.status, r.rows);
      END LOOP;
      now_counts := mailrun.count_in(now_counts, 'pending', -changed);
    END IF;
  END IF;

  UPDATE mailrun.worker SET commits = p_commit, committed = result, counts = now_counts WHERE id = p_worker;
  RETURN result;
END
$$;

-- Leases a range of a lane to a worker, of at most `p_most` pending rows. `answer` is 'range', or 'later' if
-- others have all that is left, or 'end' if nothing is left, or 'not live'. A lease that is repeated, because its
-- answer was lost, returns the same range.
CREATE FUNCTION mailrun.lease(
  p_worker bigint, p_lane integer, p_lease bigint, p_most bigint, OUT answer text, OUT first integer, OUT last integer
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  w mailrun.worker := mailrun.lock_worker(p_worker);
  r mailrun.range;
  split integer;
BEGIN
  IF w.id IS NULL OR w.ended_at IS NOT NULL THEN
    answer := 'not live';
    RETURN;
  END IF;
  SELECT l.first, l.last INTO first, last FROM mailrun.range AS l
  WHERE l.worker = p_worker AND l.lane = p_lane AND l.lease = p_lease;
  IF FOUND THEN
    answer := 'range';
    RETURN;
  END IF;
  SELECT f.* INTO r FROM mailrun.range AS f
  WHERE f.run = w.run AND f.lane = p_lane AND f.worker IS NULL
  ORDER BY f.first LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    PERFORM mailrun.delete_done_ranges(p_worker);
    answer := CASE WHEN EXISTS (
      SELECT FROM mailrun.range AS o WHERE o.run = w.run AND o.lane = p_lane AND o.worker IS DISTINCT FROM p_worker
    ) THEN 'later' ELSE 'end' END;
    RETURN;
  END IF;
  SELECT d.row INTO split FROM mailrun.delivery AS d
  WHERE d.run = r.run AND d.row BETWEEN r.first AND r.last AND d.lane = r.lane AND d.status = 'pending'
  ORDER BY d.row OFFSET p_most LIMIT 1;
  IF split IS NOT NULL THEN
    INSERT INTO mailrun.range (run, lane, first, last) VALUES (r.run, r.lane, split, r.last);
    r.last := split - 1;
  END IF;
  UPDATE mailrun.range AS u SET worker = p_worker, lease = p_lease, last = r.last
  WHERE u.run = r.run AND u.lane = r.lane AND u.first = r.first;
  answer := 'range';
  first := r.first;
  last := r.last;
END
$$;

-- Keeps a worker alive, and exchanges with the others what they learned about the server. All durations are
-- in milliseconds. The numbers of the other workers are sums since the run began.
CREATE FUNCTION mailrun.heartbeat(
  p_worker bigint, p_pause bigint, p_pause_reason text, p_refusals bigint, p_taken bigint, p_failed bigint,
  p_failure text, p_rate double precision,
  OUT live boolean, OUT stop_reason text, OUT pause bigint, OUT pause_reason text, OUT refusals bigint,
  OUT taken bigint, OUT failed bigint, OUT failure text, OUT counts bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  w mailrun.worker;
  r mailrun.run;
BEGIN
  UPDATE mailrun.worker AS u SET heartbeat_at = clock_timestamp(), refusals = p_refusals, taken = p_taken,
    failed = p_failed, failure = p_failure, rate = p_rate,
    steady_since = CASE WHEN u.heartbeat_at < clock_timestamp() - u.lease / 2 THEN clock_timestamp() ELSE u.steady_since END
  WHERE u.id = p_worker AND u.ended_at IS NULL RETURNING u.* INTO w;
  live := FOUND;
  IF NOT live THEN
    SELECT e.end_reason INTO stop_reason FROM mailrun.worker AS e WHERE e.id = p_worker;
    RETURN;
  END IF;
  IF p_pause > 0 THEN
    UPDATE mailrun.run AS u SET pause_reason = p_pause_reason,
      paused_until = greatest(u.paused_until, clock_timestamp() + p_pause * interval '1 millisecond')
    WHERE u.id = w.run;
  END IF;
  PERFORM mailrun.delete_done_ranges(p_worker);
  -- After an outage for all, the first one that is back must not end the others.
  IF w.steady_since < clock_timestamp() - w.lease THEN
    PERFORM mailrun.end_silent_workers(w.run);
  END IF;
  SELECT * INTO r FROM mailrun.run WHERE id = w.run;
  IF r.stop_at > w.started_at THEN
    stop_reason := r.stop_reason;
  END IF;
  pause := greatest(0, ceil(extract(epoch FROM r.paused_until - clock_timestamp()) * 1000));
  pause_reason := r.pause_reason;
  SELECT coalesce(sum(o.refusals), 0), coalesce(sum(o.taken), 0), coalesce(sum(o.failed), 0), max(o.failure)
  INTO refusals, taken, failed, failure
  FROM mailrun.worker AS o WHERE o.run = w.run AND o.id <> p_worker;
  SELECT mailrun.sum_counts(r.counts, mailrun.total_counts(o.counts)) INTO counts
  FROM mailrun.worker AS o WHERE o.run = w.run;
END
$$;

-- Reserves permits for at most `p_recipients` recipients of a lane, or of the run in lane 0, of which
-- `p_needed` are needed at once, an interval of
-- `p_interval` microseconds apart (0: not limited); at most `p_ahead` microseconds ahead. `wait` is the time
-- in microseconds until the first of them may go, or until it makes sense to ask again if none is granted.
-- `p_per_day` is the limit of the last 24 hours; NULL if there is none. `full_until` is the minute since 1970
-- after which it lets more through. `p_expired` permits of earlier calls will not be used.
CREATE FUNCTION mailrun.reserve(
  p_worker bigint, p_lane integer, p_recipients bigint, p_needed bigint, p_interval bigint, p_ahead bigint,
  p_per_day bigint, p_expired bigint,
  OUT granted bigint, OUT wait bigint, OUT full_until bigint
) LANGUAGE plpgsql AS $$
DECLARE
  p mailrun.pace;
  current_at timestamptz;
  begin_at timestamptz;
  used bigint;
  held bigint;
  -- Lane 0 and the run have different daily limits: permits of the run are kept under -1.
  kept_as integer := CASE p_lane WHEN 0 THEN -1 ELSE p_lane END;
  run_id bigint := (SELECT run FROM mailrun.worker WHERE id = p_worker);
  over bigint;
  m record;
BEGIN
  SELECT * INTO p FROM mailrun.pace WHERE run = run_id AND lane = p_lane FOR UPDATE;
  current_at := clock_timestamp();
  granted := p_recipients;
  IF p_per_day IS NOT NULL THEN
    UPDATE mailrun.permit SET recipients = greatest(0, recipients - p_expired)
    WHERE run = run_id AND lane = kept_as AND worker = p_worker AND p_expired > 0;
    -- In one statement, because a commit turns permits into posted recipients.
    SELECT sum(recipients) INTO used FROM (
      SELECT coalesce(sum(recipients), 0) AS recipients FROM mailrun.posted
      WHERE run = run_id AND (p_lane = 0 OR lane = p_lane)
        AND minute >= mailrun.now_in_millis() / 60000 - 1440
      UNION ALL
      SELECT coalesce(sum(e.recipients), 0) FROM mailrun.permit AS e JOIN mailrun.worker AS o ON o.id = e.worker
      WHERE e.run = run_id AND e.lane = kept_as AND o.ended_at IS NULL
    ) AS both_kinds;
    -- A worker holds at most a tenth of what is left, because the others can't use its permits.
    held := (SELECT coalesce(sum(recipients), 0) FROM mailrun.permit
             WHERE run = run_id AND lane = kept_as AND worker = p_worker);
    granted := least(granted, greatest(p_needed, (p_per_day - used) / 10 - held), p_per_day - used);
    IF granted = 0 AND used < p_per_day THEN
      wait := 10000;
      RETURN;
    ELSIF granted <= 0 THEN
      granted := 0;
      wait := 1000000;
      over := used + 1 - p_per_day;
      FOR m IN
        SELECT minute, sum(recipients) AS recipients FROM mailrun.posted
        WHERE run = run_id AND (p_lane = 0 OR lane = p_lane)
          AND minute >= mailrun.now_in_millis() / 60000 - 1440
        GROUP BY minute ORDER BY minute
      LOOP
        over := over - m.recipients;
        IF over <= 0 THEN
          full_until := m.minute + 1441;
          EXIT;
        END IF;
      END LOOP;
      RETURN;
    END IF;
  END IF;
  begin_at := greatest(p.next_at, current_at);
  IF p_interval > 0 AND begin_at > current_at + p_ahead * interval '1 microsecond' THEN
    granted := 0;
    wait := extract(epoch FROM begin_at - current_at) * 1000000 - p_ahead;
    RETURN;
  END IF;
  wait := extract(epoch FROM begin_at - current_at) * 1000000;
  UPDATE mailrun.pace SET next_at = begin_at + granted * p_interval * interval '1 microsecond'
  WHERE run = run_id AND lane = p_lane;
  IF p_per_day IS NOT NULL THEN
    INSERT INTO mailrun.permit AS e (run, lane, worker, recipients) VALUES (run_id, kept_as, p_worker, granted)
    ON CONFLICT (run, lane, worker) DO UPDATE SET recipients = e.recipients + excluded.recipients;
  END IF;
END
$$;

-- Raises an error if a worker sends the run.
CREATE FUNCTION mailrun.require_no_worker(p_run bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  w mailrun.worker;
BEGIN
  PERFORM mailrun.end_silent_workers(p_run);
  SELECT * INTO w FROM mailrun.worker WHERE run = p_run AND ended_at IS NULL ORDER BY id LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% (process %) is sending the run %', w.host, w.process,
      (SELECT name FROM mailrun.run WHERE id = p_run) USING ERRCODE = 'MR002';
  END IF;
END
$$;

-- Begins a change of rows that have ended, in the same transaction. No worker may send the run.
CREATE FUNCTION mailrun.begin_change(p_run bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM mailrun.campaign WHERE name = (SELECT campaign FROM mailrun.run WHERE id = p_run) FOR UPDATE;
  PERFORM mailrun.require_no_worker(p_run);
END
$$;

-- The run continues elsewhere, and can't be sent from here.
CREATE FUNCTION mailrun.mark_moved(p_run bigint, p_to text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  known text;
BEGIN
  PERFORM mailrun.begin_change(p_run);
  SELECT moved_to INTO known FROM mailrun.run WHERE id = p_run;
  IF known <> p_to THEN
    RAISE EXCEPTION 'the run was copied to %, and continues there', known USING ERRCODE = 'MR003';
  END IF;
  UPDATE mailrun.run SET moved_to = p_to WHERE id = p_run;
END
$$;

CREATE FUNCTION mailrun.delete_run(p_run bigint) RETURNS void LANGUAGE sql AS $$
  DELETE FROM mailrun.recipient WHERE run = p_run;
  DELETE FROM mailrun.delivery WHERE run = p_run;
  DELETE FROM mailrun.run WHERE id = p_run;
$$;

-- Counts the rows again, and makes the pending ones free.
CREATE FUNCTION mailrun.end_change(p_run bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE mailrun.worker SET counts = DEFAULT WHERE run = p_run;
  UPDATE mailrun.run SET counts = (
    SELECT array_agg(coalesce(d.rows, 0) ORDER BY s.status)
    FROM unnest(enum_range(NULL::mailrun.status)) AS s(status)
    LEFT JOIN (SELECT status, count(*) AS rows FROM mailrun.delivery WHERE run = p_run GROUP BY status) AS d USING (status)
  ) WHERE id = p_run;
  PERFORM mailrun.make_ranges(p_run);
END
$$;

-- Adds a worker to a run. Other real runs of the campaign must not be sent at the same time: one of them may
-- leave out the recipients of the other.
CREATE FUNCTION mailrun.join_run(p_run bigint, p_host text, p_process integer, p_lease bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  r mailrun.run;
  worker_id bigint;
BEGIN
  SELECT * INTO STRICT r FROM mailrun.run WHERE id = p_run;
  PERFORM FROM mailrun.campaign WHERE name = r.campaign FOR UPDATE;
  IF r.moved_to IS NOT NULL THEN
    RAISE EXCEPTION 'the run was copied to %, and continues there', r.moved_to USING ERRCODE = 'MR003';
  END IF;
  IF r.target = 'real' THEN
    IF NOT pg_try_advisory_xact_lock_shared(mailrun.campaign_key(r.campaign)) THEN
      RAISE EXCEPTION 'another process plans to send the campaign' USING ERRCODE = 'MR002';
    END IF;
    PERFORM mailrun.require_no_worker(o.id) FROM mailrun.run AS o
    WHERE o.campaign = r.campaign AND o.target = 'real' AND o.id <> p_run;
  END IF;
  PERFORM mailrun.end_silent_workers(p_run);
  IF NOT EXISTS (SELECT FROM mailrun.worker WHERE run = p_run AND ended_at IS NULL) THEN
    PERFORM mailrun.make_ranges(p_run);
  END IF;
  INSERT INTO mailrun.worker (run, host, process, lease)
  VALUES (p_run, p_host, p_process, p_lease * interval '1 millisecond') RETURNING id INTO worker_id;
  RETURN worker_id;
END
$$;

-- The advisory lock of the process that plans a run of the campaign.
CREATE FUNCTION mailrun.campaign_key(p_campaign text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('mailrun ' || p_campaign, 0)
$$;

-- Ends a worker that leaves by itself.
CREATE FUNCTION mailrun.leave_run(p_worker bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  w mailrun.worker := mailrun.lock_worker(p_worker);
BEGIN
  IF w.ended_at IS NULL THEN
    PERFORM mailrun.end_worker(w, NULL);
  END IF;
END
$$;
