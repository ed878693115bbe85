-- question: How did the connections go, day by day?
-- answer: One line a UTC day and state. share: of the day's connections. Much more S0 or REJ than usual is a scan or an
--   outage. A day that the span cuts has only the rows of the span.
-- bound: rollup
SELECT
    etl.day_of(rollup.hour) AS day, rollup.network_connection_state, state.meaning,
    CAST(sum(rollup.connections) AS bigint) AS connections,
    round(
        sum(rollup.connections) / sum(sum(rollup.connections)) OVER (PARTITION BY etl.day_of(rollup.hour)), 4
    ) AS share
FROM zeek.hourly(CAST(:since AS timestamptz), CAST(:until AS timestamptz)) AS rollup
LEFT JOIN zeek.conn_state AS state ON rollup.network_connection_state = state.network_connection_state
GROUP BY etl.day_of(rollup.hour), rollup.network_connection_state, state.meaning
ORDER BY day, connections DESC, rollup.network_connection_state
