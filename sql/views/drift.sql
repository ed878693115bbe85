-- An hour's rows are compared with the same hour of the last four weeks (at least two of them), all else with the two
-- weeks before (at least three days, each with a tenth of the rows or more: the few long connections of a day that was
-- not recorded say nothing). The rules of expectations/conn_batch.json read these columns.
CREATE OR REPLACE VIEW etl.drift AS
SELECT
    now_.day,
    now_.measure,
    now_.value,
    usual.value AS usual,
    usual.days,
    now_.value - usual.value AS shift,
    CASE WHEN now_.measure LIKE 'rows.%' AND usual.value > 0 THEN now_.value / usual.value END AS hour_ratio,
    CASE
        WHEN now_.measure IN (
            'null.network_connection_state', 'null.network_connection_history', 'null.network_missed_bytes',
            'null.src_packets', 'null.dst_packets'
        ) THEN now_.value
    END AS core_null_share,
    CASE WHEN now_.measure LIKE 'null.%' THEN abs(now_.value - usual.value) END AS null_shift,
    CASE WHEN now_.measure = 'unknown_service' THEN now_.value END AS unknown_service_share,
    CASE WHEN now_.measure = 'unknown_service' THEN abs(now_.value - usual.value) END AS unknown_service_shift
FROM etl.day_measure AS now_
LEFT JOIN LATERAL (
    SELECT
        count(*) AS days,
        CASE
            WHEN count(*) >= CASE WHEN now_.measure LIKE 'rows.%' THEN 2 ELSE 3 END
                THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY before.value)
        END AS value
    FROM etl.day_measure AS before
    WHERE
        before.measure = now_.measure
        -- which the index finds; the rest looks at few rows, however long the history
        AND before.day BETWEEN now_.day - 28 AND now_.day - 1
        AND CASE
            WHEN now_.measure LIKE 'rows.%'
                THEN before.day IN (now_.day - 7, now_.day - 14, now_.day - 21, now_.day - 28)
            ELSE before.day BETWEEN now_.day - 14 AND now_.day - 1 AND before.rows * 10 >= now_.rows
        END
) AS usual ON true;

COMMENT ON VIEW etl.drift IS
'Each measure of a day beside the usual value.';
SELECT etl.copy_comments('etl.day_measure', 'etl.drift');
COMMENT ON COLUMN etl.drift.usual IS 'Median of the days that it is compared with; NULL where there are too few.';
COMMENT ON COLUMN etl.drift.days IS 'Number of days that it is compared with.';
COMMENT ON COLUMN etl.drift.shift IS 'value minus usual.';
COMMENT ON COLUMN etl.drift.hour_ratio IS 'value divided by usual, for the rows of an hour.';
COMMENT ON COLUMN etl.drift.core_null_share IS 'Share of NULL in a column that is nearly always set.';
COMMENT ON COLUMN etl.drift.null_shift IS 'Distance from the usual share of NULL in a column.';
COMMENT ON COLUMN etl.drift.unknown_service_share IS
'Share of connections without a service among those in which both sides sent payload.';
COMMENT ON COLUMN etl.drift.unknown_service_shift IS 'Distance of that share from the usual one.';
