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
SET enable_external_access = false;
SET lock_configuration = true;

-- name: zeek_conn_hour
SELECT * FROM zeek.conn_hour;

-- name: zeek_top_address
SELECT * FROM zeek.top_address;

-- name: zeek_conn_state
SELECT * FROM zeek.conn_state;

-- name: zeek_history_flag
SELECT * FROM zeek.history_flag;

-- name: etl_file
SELECT etl_file_id, path, size, mtime, sensor, window_start, window_end, state, rows_loaded, run_id FROM etl.file;
