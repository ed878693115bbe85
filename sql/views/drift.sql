-- Each measure of a day beside what is usual: an hour's rows against the same hour of the last four weeks (two of them
-- at least), all else against the two weeks before (three days at least, each with a tenth of the rows or more: the few
-- long connections of a day that was not recorded say nothing). The rules of conn_batch read these columns.
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
        AND CASE
            WHEN now_.measure LIKE 'rows.%'
                THEN before.day IN (now_.day - 7, now_.day - 14, now_.day - 21, now_.day - 28)
            ELSE before.day BETWEEN now_.day - 14 AND now_.day - 1 AND before.rows * 10 >= now_.rows
        END
) AS usual ON true;
