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
CREATE VIEW zeek.conn AS SELECT * REPLACE (CAST(extra AS json) AS extra) FROM archived;
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
