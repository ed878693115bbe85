-- UTC hours and days. date_trunc and casts would follow the session's time zone and could not be immutable.
-- Each is one expression, so that the planner puts it in place of the call and still sees the bounds of a partition.

CREATE OR REPLACE FUNCTION etl.hour_of(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin(interval '1 hour', moment, timestamptz '2000-01-01 00:00:00+00');

COMMENT ON FUNCTION etl.hour_of(timestamptz) IS 'Start of the UTC hour that a moment is in.';

CREATE OR REPLACE FUNCTION etl.day_of(moment timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CAST(moment AT TIME ZONE 'UTC' AS date);

COMMENT ON FUNCTION etl.day_of(timestamptz) IS 'The UTC day that a moment is in.';

CREATE OR REPLACE FUNCTION etl.day_start(day date) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CAST(day AS timestamp) AT TIME ZONE 'UTC';

COMMENT ON FUNCTION etl.day_start(date) IS
'When a UTC day begins. Its rows: "@timestamp" >= etl.day_start(day) AND "@timestamp" < etl.day_start(day + 1).';

-- An index row holds 2,704 bytes at most: 300 bytes for each text of the key of zeek.conn_hour leave room.
CREATE OR REPLACE FUNCTION etl.rollup_key(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(value) > 300 THEN left(value, 60) || '…' || md5(value) ELSE value END;

COMMENT ON FUNCTION etl.rollup_key(text) IS
'A text as rollups have it: one of more than 300 bytes is its beginning and a digest, so that an index can hold it.';
