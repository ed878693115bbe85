CREATE OR REPLACE VIEW etl.lag AS
SELECT
    file.sensor,
    max(coalesce(file.window_end, file.window_start, file.max_timestamp)) AS newest_window_end,
    max(file.max_timestamp) AS newest_row,
    max(file.finished_at) AS loaded_at,
    now() - max(coalesce(file.window_end, file.window_start, file.max_timestamp)) AS behind
FROM etl.file
WHERE etl.has_rows(file.state) OR file.state = 'known'
GROUP BY file.sensor;

COMMENT ON VIEW etl.lag IS
'How far the rows of each sensor are behind.';
COMMENT ON COLUMN etl.lag.sensor IS 'The sensor.';
COMMENT ON COLUMN etl.lag.newest_window_end IS 'End of its newest loaded window.';
COMMENT ON COLUMN etl.lag.newest_row IS '"@timestamp" of its newest row.';
COMMENT ON COLUMN etl.lag.loaded_at IS 'When its last file was loaded.';
COMMENT ON COLUMN etl.lag.behind IS 'Time from the end of its newest loaded window until now.';
