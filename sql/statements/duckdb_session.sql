-- name: prepare
-- What the SQL of `archive query` finds in DuckDB. Addresses are text there, and
-- inet_key puts them in PostgreSQL's order.
SET TimeZone = 'UTC';
SET default_null_order = 'nulls_last_on_asc_first_on_desc';
SET python_enable_replacements = false;
CREATE SCHEMA zeek;
CREATE SCHEMA etl;
CREATE TYPE inet AS varchar;
CREATE TYPE jsonb AS json;
CREATE MACRO family(address) AS CASE WHEN contains(address, ':') THEN 6 ELSE 4 END;
CREATE MACRO zeek.is_external(address, is_local) AS
coalesce(NOT is_local, NOT is_private(address)) AND NOT is_special(address);
CREATE MACRO zeek.regularity(quartiles, mad) AS (
    CASE
        WHEN quartiles[3] = quartiles[1] THEN 1
        ELSE 1 - abs(quartiles[1] + quartiles[3] - 2 * quartiles[2]) / (quartiles[3] - quartiles[1])
    END
    + CASE WHEN quartiles[2] = 0 THEN CAST(mad = 0 AS integer) ELSE greatest(0, 1 - mad / quartiles[2]) END
) / 2;
CREATE VIEW zeek.conn AS SELECT * REPLACE (CAST(extra AS json) AS extra) FROM archived;
CREATE MACRO zeek.destinations(since, until) AS TABLE
SELECT DISTINCT dst_ip_addr FROM zeek.conn WHERE "@timestamp" >= since AND "@timestamp" < until;
CREATE VIEW zeek.conn_service AS
SELECT
    ltrim(services.service, '-') AS service, starts_with(services.service, '-') AS given_up, services.position AS
    service_position, services.* EXCLUDE (service, position)
FROM (
    SELECT
        conn.*, unnest(string_split(network_application, ',')) AS service,
        generate_subscripts(string_split(network_application, ','), 1) AS position
    FROM zeek.conn
) AS services
WHERE services.service <> '';

-- name: close
-- No other file can be read or written from here on.
SET enable_external_access = false;
SET lock_configuration = true;
