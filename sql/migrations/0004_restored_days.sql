-- A dropped day can be opened again without its rows. What its files brought to it stays on their account until they
-- are loaded again, so the account no longer needs the day to be dropped.

ALTER TABLE etl.retired_file DROP CONSTRAINT retired_file_day_fkey;
COMMENT ON TABLE etl.retired_file IS
'Which files the rows of a dropped day came from, so that the ledger still adds up; also of a day opened again.';

CREATE TABLE etl.restored_day (
    day date PRIMARY KEY,
    restored_at timestamptz NOT NULL DEFAULT now(),
    restored_by text NOT NULL DEFAULT session_user,
    keep_until timestamptz NOT NULL
);

COMMENT ON TABLE etl.restored_day IS 'Dropped days that were opened again, and take rows.';
COMMENT ON COLUMN etl.restored_day.day IS 'UTC day.';
COMMENT ON COLUMN etl.restored_day.restored_at IS 'When it was opened again.';
COMMENT ON COLUMN etl.restored_day.restored_by IS 'Who did it.';
COMMENT ON COLUMN etl.restored_day.keep_until IS 'Retention leaves the day alone until then.';
