-- name: rejects_by_rule
-- Lines that could not be read or cast, by file and rule.
SELECT etl_file_id, rule, count(*) AS failed
FROM pg_temp.staged_reject
GROUP BY etl_file_id, rule;

-- name: clear_bad
-- Forget the bad rows of an earlier run of the gate.
DELETE FROM pg_temp.staged_bad;

-- name: look_in_etl
-- Great Expectations' queries name the staging table without its schema.
SET LOCAL search_path = etl;

-- name: out_of_range
-- It needs the ledger, so no suite can have this rule: a row may not be later than its file was first seen, or than
-- now, and a margin. A clock that was wrong at first sight condemns no file that is opened again. The rows are looked
-- through only where some hour has such a row.
INSERT INTO pg_temp.staged_bad (etl_file_id, etl_line, suite, rule)
SELECT staged.etl_file_id, staged.etl_line, 'ledger', 'time_out_of_range'
FROM pg_temp.staged
INNER JOIN etl.file USING (etl_file_id)
WHERE
    EXISTS (
        SELECT FROM pg_temp.counted_hour AS counted
        INNER JOIN etl.file AS counted_file USING (etl_file_id)
        WHERE
            counted.min_timestamp < CAST(:earliest AS timestamptz)
            OR counted.max_timestamp > greatest(counted_file.first_seen, now()) + CAST(:margin AS interval)
    )
    AND (
        staged."@timestamp" < CAST(:earliest AS timestamptz)
        OR staged."@timestamp" > greatest(file.first_seen, now()) + CAST(:margin AS interval)
    );

-- name: expired
-- Rows of days that retention has dropped or is dropping. The rows are looked through only where some hour is on one.
INSERT INTO pg_temp.staged_bad (etl_file_id, etl_line, suite, rule)
SELECT staged.etl_file_id, staged.etl_line, 'ledger', 'expired'
FROM pg_temp.staged
WHERE
    EXISTS (
        SELECT FROM pg_temp.counted_hour AS counted
        INNER JOIN etl.retired_day ON etl.day_of(counted.hour) = retired_day.day
    )
    AND staged."@timestamp" < (SELECT etl.day_start(max(day) + 1) FROM etl.retired_day)
    AND etl.day_of(staged."@timestamp") IN (SELECT day FROM etl.retired_day);

-- name: bad_by_rule
-- Bad rows by file and rule.
SELECT etl_file_id, suite, rule, count(*) AS failed
FROM pg_temp.staged_bad
GROUP BY etl_file_id, suite, rule;

-- name: bad_examples
-- The first bad rows of each rule and file.
SELECT rule, etl_file_id, etl_line
FROM (
    SELECT rule, etl_file_id, etl_line, row_number() OVER (PARTITION BY rule, etl_file_id ORDER BY etl_line) AS position
    FROM pg_temp.staged_bad
) AS bad
WHERE position <= :most
ORDER BY rule, etl_file_id, etl_line;

-- name: values
-- The values that these lines have in the column of their rule.
SELECT
    chosen.rule, chosen.etl_file_id, chosen.etl_line,
    to_jsonb(staged) -> chosen.column_name AS value
FROM
    unnest(
        CAST(:rules AS text []), CAST(:files AS bigint []), CAST(:lines AS bigint []), CAST(:columns AS text [])
    ) AS chosen (rule, etl_file_id, etl_line, column_name)
INNER JOIN pg_temp.staged USING (etl_file_id, etl_line)
ORDER BY chosen.rule, chosen.etl_file_id, chosen.etl_line;

-- name: reject_examples
-- The first lines of each rule and file that could not be read or cast; 300 bytes of a line are enough to know it by.
SELECT rule, etl_file_id, etl_line, reason, encode(substring(raw FROM 1 FOR 300), 'escape') AS raw
FROM (
    SELECT *, row_number() OVER (PARTITION BY rule, etl_file_id ORDER BY etl_line) AS position
    FROM pg_temp.staged_reject
) AS rejected
WHERE position <= :most
ORDER BY rule, etl_file_id, etl_line
LIMIT :in_all;
