-- question: Which services ran on a port where they usually do not?
-- answer: One line a service, responder and port, where the port carries only a small share of the service's
--   connections of the same span. The span decides what is usual: ask for days, not minutes.
-- param share double precision = 0.02: share of the service's connections at most
-- param at_least integer = 50: connections that a service must have at all
WITH ports AS (
    SELECT
        service, dst_port, dst_ip_addr, count(*) AS connections, count(DISTINCT src_ip_addr) AS sources,
        min("@timestamp") AS first, sum(count(*)) OVER (PARTITION BY service, dst_port) AS on_port,
        sum(count(*)) OVER (PARTITION BY service) AS in_all
    FROM zeek.conn_service
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND NOT given_up AND network_protocol IN ('tcp', 'udp')
    GROUP BY service, dst_port, dst_ip_addr
)

SELECT
    service, dst_port, dst_ip_addr, connections, sources, first, on_port::bigint AS on_port, in_all::bigint AS in_all,
    round(on_port / in_all, 4) AS share
FROM ports
WHERE in_all >= :at_least AND on_port <= CAST(:share AS double precision) * in_all
ORDER BY service, dst_port, connections DESC, dst_ip_addr
