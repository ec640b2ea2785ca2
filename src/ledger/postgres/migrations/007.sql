-- How many recipients the runs of a pace group posted in each minute since 1970. A permit counts when it is granted,
-- and may be used in the minute after.
CREATE TABLE mailrun.pace_group (
  name       text NOT NULL,
  minute     bigint NOT NULL,
  recipients bigint NOT NULL,
  PRIMARY KEY (name, minute)
);

-- Reserves permits for at most `p_recipients` recipients of a pace group, of which `p_needed` are needed at once, and gives
-- back the permits of earlier minutes that are not used. `p_per_day` is the limit of the last 24 hours; NULL if there
-- is none. `p_ramp` has the limits for the first, the second and each later day, in the zone `p_zone`, on which something is
-- posted. `full_until` is the minute since 1970 after which it lets more through.
CREATE FUNCTION mailrun.reserve_in_group(
  p_group text, p_recipients bigint, p_needed bigint, p_per_day bigint, p_ramp bigint[], p_zone text,
  p_minutes bigint[], p_unused bigint[], OUT granted bigint, OUT granted_in bigint, OUT full_until bigint
) LANGUAGE plpgsql AS $$
DECLARE
  steps integer := coalesce(array_length(p_ramp, 1), 0);
  days integer := 0;
  most bigint := p_per_day;
  used bigint;
  over bigint;
  tomorrow bigint;
  m record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('mailrun pace group ' || p_group, 0));
  UPDATE mailrun.pace_group AS g SET recipients = greatest(0, g.recipients - u.recipients)
  FROM unnest(p_minutes, p_unused) AS u (minute, recipients) WHERE g.name = p_group AND g.minute = u.minute;
  granted := 0;
  granted_in := mailrun.now_in_millis() / 60000;
  -- A year without a message begins a ramp again, as in the file of a machine.
  DELETE FROM mailrun.pace_group AS g WHERE g.name = p_group AND g.minute < granted_in - 400 * 24 * 60;
  IF p_recipients = 0 THEN
    RETURN;
  END IF;
  IF steps > 0 THEN
    SELECT count(DISTINCT mailrun.date_in(g.minute, p_zone)) INTO days FROM mailrun.pace_group AS g
    WHERE g.name = p_group AND g.recipients > 0 AND mailrun.date_in(g.minute, p_zone) < mailrun.date_in(granted_in, p_zone);
    most := least(most, p_ramp[least(days + 1, steps)]);
  END IF;
  SELECT coalesce(sum(g.recipients), 0) INTO used FROM mailrun.pace_group AS g
  WHERE g.name = p_group AND g.minute >= granted_in - 1441;
  IF used + p_needed > most THEN
    over := used + p_needed - most;
    FOR m IN
      SELECT g.minute, g.recipients FROM mailrun.pace_group AS g
      WHERE g.name = p_group AND g.minute >= granted_in - 1441 ORDER BY g.minute
    LOOP
      over := over - m.recipients;
      IF over <= 0 THEN
        full_until := m.minute + 1442;
        EXIT;
      END IF;
    END LOOP;
    IF days + 1 < steps THEN
      tomorrow := extract(epoch FROM mailrun.midnight_after(granted_in, p_zone)) / 60;
      full_until := least(full_until, tomorrow);
    END IF;
    RETURN;
  END IF;
  granted := greatest(least(p_recipients, most - used), p_needed);
  INSERT INTO mailrun.pace_group AS g (name, minute, recipients) VALUES (p_group, granted_in, granted)
  ON CONFLICT (name, minute) DO UPDATE SET recipients = g.recipients + excluded.recipients;
END
$$;

-- The time of day in a zone: a name of the IANA database, or an offset such as +02:00.
CREATE FUNCTION mailrun.local_time(p_minute bigint, p_zone text) RETURNS timestamp LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_zone ~ '^[+-]' THEN to_timestamp(p_minute * 60) AT TIME ZONE p_zone::interval
              ELSE to_timestamp(p_minute * 60) AT TIME ZONE p_zone END
$$;

CREATE FUNCTION mailrun.date_in(p_minute bigint, p_zone text) RETURNS date LANGUAGE sql STABLE AS $$
  SELECT mailrun.local_time(p_minute, p_zone)::date
$$;

CREATE FUNCTION mailrun.midnight_after(p_minute bigint, p_zone text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_zone ~ '^[+-]' THEN (mailrun.date_in(p_minute, p_zone) + 1)::timestamp AT TIME ZONE p_zone::interval
              ELSE (mailrun.date_in(p_minute, p_zone) + 1)::timestamp AT TIME ZONE p_zone END
$$;
