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
