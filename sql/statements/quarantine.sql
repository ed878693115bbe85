-- Lines that did not reach the table: seen, exported, replayed, discarded. A replay is a batch: its statements run in
-- the transaction of publish (see publish.sql), between publish's own.

-- name: list
-- Lines in quarantine by what is asked for, the oldest first.
SELECT
    quarantine.quarantine_id, file.path, quarantine.etl_line, quarantine.rule, quarantine.reason, quarantine.field,
    quarantine.state, quarantine.created_at, substring(quarantine.raw FROM 1 FOR 65536) AS raw,
    quarantine.format_digest, quarantine.mapped
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE
    (CAST(:path AS text) IS NULL OR file.path = :path)
    AND (CAST(:rule AS text) IS NULL OR quarantine.rule = :rule)
    AND (CAST(:reason AS text) IS NULL OR quarantine.reason = :reason)
    AND (CAST(:state AS text) IS NULL OR quarantine.state = :state)
    AND (CAST(:since AS timestamptz) IS NULL OR quarantine.created_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR quarantine.created_at < :until)
ORDER BY quarantine.quarantine_id
LIMIT :most;

-- name: show
-- One line in quarantine with all that is known of it.
SELECT * FROM etl.quarantine_line WHERE quarantine_id = :id;

-- name: format
-- How lines with this digest were read.
SELECT format FROM etl.quarantine_format WHERE digest = :digest;

-- name: rules
-- Rules that lines in quarantine broke.
SELECT DISTINCT rule AS name FROM etl.quarantine ORDER BY rule;

-- name: paths
-- Files that have lines in quarantine.
SELECT DISTINCT file.path AS name
FROM etl.file
WHERE EXISTS (SELECT FROM etl.quarantine WHERE quarantine.etl_file_id = file.etl_file_id)
ORDER BY file.path;

-- name: exported
-- Remember lines by their uid that were written as a log: a row of this uid from another file will replace them.
UPDATE etl.quarantine SET exported_uid = exported.uid
FROM unnest(CAST(:ids AS bigint []), CAST(:uids AS text [])) AS exported (quarantine_id, uid)
WHERE quarantine.quarantine_id = exported.quarantine_id AND quarantine.state = 'open';

-- name: awaits_replacement
-- One open line that was exported as a log, if there is any.
SELECT quarantine_id FROM etl.quarantine
WHERE state = 'open' AND exported_uid IS NOT NULL
ORDER BY quarantine_id
LIMIT 1;

-- name: replaced
-- Close exported lines whose uid a row has that is published now from another file.
UPDATE etl.quarantine
SET
    state = 'closed', resolved_at = now(), resolved_by = current_user,
    resolution = 'replaced by line ' || good.etl_line || ' of ' || file.path
FROM pg_temp.good
INNER JOIN etl.file USING (etl_file_id)
WHERE
    quarantine.state = 'open' AND quarantine.exported_uid = good.event_uid
    AND quarantine.etl_file_id <> good.etl_file_id;

-- name: choose
-- Open lines in quarantine by what is asked for, and why each could not be replayed.
SELECT
    quarantine.quarantine_id,
    CASE
        WHEN file.state NOT IN ('published', 'incomplete') THEN 'its file is ' || file.state
        WHEN quarantine.raw IS NULL THEN 'its bytes are gone'
        WHEN quarantine.raw_cut THEN 'its bytes were cut'
        WHEN quarantine.reason = 'unterminated' THEN 'its end is missing'
    END AS obstacle
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE
    quarantine.state = 'open'
    AND (CAST(:ids AS bigint []) IS NULL OR quarantine.quarantine_id = ANY(CAST(:ids AS bigint [])))
    AND (CAST(:path AS text) IS NULL OR file.path = :path)
    AND (CAST(:rule AS text) IS NULL OR quarantine.rule = :rule)
    AND (CAST(:reason AS text) IS NULL OR quarantine.reason = :reason)
    AND (CAST(:since AS timestamptz) IS NULL OR quarantine.created_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR quarantine.created_at < :until)
ORDER BY quarantine.etl_file_id, quarantine.etl_line;

-- name: lines
-- These lines with what is needed to read them again.
SELECT
    quarantine.quarantine_id, quarantine.etl_file_id, quarantine.etl_line, quarantine.raw, quarantine.format_digest,
    quarantine.rule, quarantine.reason, quarantine.field, quarantine.raw_cut, quarantine.created_at, file.path
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE quarantine.quarantine_id = ANY(:ids)
ORDER BY quarantine.etl_file_id, quarantine.etl_line;

-- name: stage_reject
-- Stage the lines that could not be read or cast again.
INSERT INTO pg_temp.staged_reject (etl_file_id, etl_line, raw, raw_cut, format_digest, field, reason, rule)
SELECT
    quarantine.etl_file_id, quarantine.etl_line, quarantine.raw, quarantine.raw_cut, quarantine.format_digest,
    again.field, again.reason, again.rule
FROM
    unnest(
        CAST(:lines AS bigint []), CAST(:fields AS text []), CAST(:reasons AS text []), CAST(:rules AS text [])
    ) AS again (etl_line, field, reason, rule)
INNER JOIN etl.quarantine ON quarantine.etl_file_id = :file AND quarantine.etl_line = again.etl_line;

-- name: digests
-- Digests of these files, to be locked.
SELECT DISTINCT digest FROM etl.file WHERE etl_file_id = ANY(:ids) AND digest IS NOT NULL;

-- name: lock_lines
-- The lines that are still open, in files that still have rows: held until the end.
CREATE TEMPORARY TABLE replaying ON COMMIT DROP AS
SELECT quarantine.quarantine_id, quarantine.etl_file_id, quarantine.etl_line, quarantine.reason
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE
    quarantine.quarantine_id = ANY(:ids) AND quarantine.state = 'open' AND file.state IN ('published', 'incomplete')
ORDER BY quarantine.quarantine_id
FOR UPDATE OF quarantine;

-- name: leave_out
-- Leave out lines that another session took meanwhile.
WITH gone AS (
    DELETE FROM pg_temp.staged
    WHERE
        NOT EXISTS (
            SELECT FROM pg_temp.replaying
            WHERE replaying.etl_file_id = staged.etl_file_id AND replaying.etl_line = staged.etl_line
        )
)

DELETE FROM pg_temp.staged_reject
WHERE
    NOT EXISTS (
        SELECT FROM pg_temp.replaying
        WHERE replaying.etl_file_id = staged_reject.etl_file_id AND replaying.etl_line = staged_reject.etl_line
    );

-- name: still_bad
-- Lines that fail again: open as before, with what the present mapping and rules found.
UPDATE etl.quarantine
SET field = failing.field, reason = failing.reason, rule = failing.rule, mapped = failing.mapped, existing = NULL
FROM (
    SELECT etl_file_id, etl_line, field, reason, rule, NULL AS mapped FROM pg_temp.staged_reject
    UNION ALL
    SELECT etl_file_id, etl_line, NULL, rules, rule, mapped FROM pg_temp.bad_row
) AS failing
WHERE quarantine.etl_file_id = failing.etl_file_id AND quarantine.etl_line = failing.etl_line;

-- name: replayed
-- Lines whose row is in zeek.conn now, or was there already.
UPDATE etl.quarantine
SET state = 'replayed', resolved_at = now(), resolved_by = :actor, resolution = :why
FROM pg_temp.good
LEFT JOIN pg_temp.leftover USING (etl_file_id, etl_line)
WHERE
    quarantine.etl_file_id = good.etl_file_id AND quarantine.etl_line = good.etl_line
    AND coalesce(leftover.same, true);

-- name: note
-- Who replayed each line, when and why, and the outcome.
INSERT INTO etl.quarantine_action (
    quarantine_id, etl_file_id, etl_line, action, outcome, reason, actor, why, run_id
)
SELECT
    replaying.quarantine_id, replaying.etl_file_id, replaying.etl_line, 'replay',
    CASE
        WHEN quarantine.state = 'open' THEN 'still_bad'
        WHEN leftover.same THEN 'duplicate'
        ELSE 'published'
    END,
    replaying.reason, :actor, :why, :run
FROM pg_temp.replaying
INNER JOIN etl.quarantine USING (quarantine_id)
LEFT JOIN pg_temp.leftover
    ON replaying.etl_file_id = leftover.etl_file_id AND replaying.etl_line = leftover.etl_line;

-- name: outcomes
-- Number of lines of each file by outcome.
SELECT replaying.etl_file_id, action.outcome, count(*) AS lines
FROM pg_temp.replaying
INNER JOIN etl.quarantine_action AS action ON replaying.quarantine_id = action.quarantine_id AND action.run_id = :run
GROUP BY replaying.etl_file_id, action.outcome;

-- name: move
-- Move rows between the terms of the file's equation.
UPDATE etl.file
SET
    rows_loaded = rows_loaded + :published,
    rows_duplicate = rows_duplicate + :duplicate,
    rows_quarantined = rows_quarantined - :published - :duplicate,
    min_timestamp = least(min_timestamp, CAST(:first AS timestamptz)),
    max_timestamp = greatest(max_timestamp, CAST(:last AS timestamptz))
WHERE etl_file_id = :id;

-- name: discard
-- Give lines up for good, on record.
WITH discarded AS (
    UPDATE etl.quarantine
    SET state = 'discarded', resolved_at = now(), resolved_by = :actor, resolution = :why
    WHERE quarantine_id = ANY(:ids) AND state = 'open'
    RETURNING quarantine_id, etl_file_id, etl_line, reason
)

INSERT INTO etl.quarantine_action (
    quarantine_id, etl_file_id, etl_line, action, outcome, reason, actor, why, run_id
)
SELECT quarantine_id, etl_file_id, etl_line, 'discard', 'discarded', reason, :actor, :why, :run
FROM discarded;

-- name: actions
-- What was done with a line so far.
SELECT action, outcome, actor, why, acted_at, reason
FROM etl.quarantine_action
WHERE quarantine_id = :id
ORDER BY quarantine_action_id;
