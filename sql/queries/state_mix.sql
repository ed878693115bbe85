-- question: How did the connections go, day by day?
-- answer: One line a UTC day and state, whole hours that begin in the span, from the rollup zeek.conn_hour. share: of
--   the day's connections. Much more S0 or REJ than usual is a scan or an outage.
-- bound: rollup
SELECT
    etl.day_of(rollup.hour) AS day, rollup.network_connection_state, state.meaning,
    CAST(sum(rollup.connections) AS bigint) AS connections,
    round(
        sum(rollup.connections)
        / sum(sum(rollup.connections)) OVER (PARTITION BY etl.day_of(rollup.hour)), 4
    ) AS share
FROM zeek.conn_hour AS rollup
LEFT JOIN zeek.conn_state AS state ON rollup.network_connection_state = state.network_connection_state
WHERE rollup.hour >= CAST(:since AS timestamptz) AND rollup.hour < CAST(:until AS timestamptz)
GROUP BY etl.day_of(rollup.hour), rollup.network_connection_state, state.meaning
ORDER BY day, connections DESC, rollup.network_connection_state
