-- question: Which pairs connect at regular gaps, as malware that calls home does?
-- answer: One line for originator, target, port and protocol with enough connections and even gaps. gap_seconds: the
--   mean gap; jitter: its standard deviation as a share of the mean, 0 is a clock.
--   NTP, updates and monitoring are regular too.
-- param connections integer = 20: connections at least
-- param jitter double precision = 0.1: jitter at most
SELECT
    gaps.src_ip_addr, gaps.dst_ip_addr, gaps.dst_port, gaps.network_protocol, count(*) AS connections,
    round(avg(gaps.gap)::numeric, 3) AS gap_seconds,
    round((stddev_pop(gaps.gap) / avg(gaps.gap))::numeric, 3) AS jitter, min(gaps."@timestamp") AS first,
    max(gaps."@timestamp") AS last
FROM (
    SELECT
        src_ip_addr, dst_ip_addr, dst_port, network_protocol, "@timestamp",
        extract(EPOCH FROM "@timestamp" - lag("@timestamp") OVER (
            PARTITION BY src_ip_addr, dst_ip_addr, dst_port, network_protocol ORDER BY "@timestamp"
        ))::double precision AS gap
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
) AS gaps
GROUP BY gaps.src_ip_addr, gaps.dst_ip_addr, gaps.dst_port, gaps.network_protocol
HAVING
    count(*) >= :connections AND avg(gaps.gap) > 0
    AND stddev_pop(gaps.gap) <= CAST(:jitter AS double precision) * avg(gaps.gap)
ORDER BY jitter, connections DESC, gaps.src_ip_addr, gaps.dst_ip_addr, gaps.dst_port
