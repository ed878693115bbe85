-- What a state of etl.file means. The same two are properties of FileState in etl/models.py; a test compares them.
-- Each is one expression, so that the planner puts it in place of the call and partial indexes still match.

CREATE OR REPLACE FUNCTION etl.is_open(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN state IN ('found', 'staged');

COMMENT ON FUNCTION etl.is_open(text) IS
'Whether the next run goes on with a file in this state; all others are final.';

CREATE OR REPLACE FUNCTION etl.has_rows(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN state IN ('published', 'incomplete', 'superseded');

COMMENT ON FUNCTION etl.has_rows(text) IS
'Whether a file in this state has rows in zeek.conn, and its counts have to add up.';
