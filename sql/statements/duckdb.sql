-- What `archive query` reads of PostgreSQL, for DuckDB.

-- name: conn_hour
-- The rollup by hour, which stays when its rows are dropped.
SELECT * FROM zeek.conn_hour;

-- name: top_address
-- The top addresses of each sealed day, which stay too.
SELECT * FROM zeek.top_address;

-- name: conn_state
-- What each connection state means.
SELECT * FROM zeek.conn_state;

-- name: history_flag
-- What each letter of a history means.
SELECT * FROM zeek.history_flag;

-- name: file
-- The ledger's files, for the sensor and the path behind etl_file_id.
SELECT etl_file_id, path, size, mtime, sensor, window_start, window_end, state, rows_loaded, run_id FROM etl.file;
