-- How far each sensor's rows are behind: from the end of its newest loaded window, and when that was loaded.
CREATE OR REPLACE VIEW etl.lag AS
SELECT
    file.sensor,
    max(coalesce(file.window_end, file.window_start, file.max_timestamp)) AS newest_window_end,
    max(file.max_timestamp) AS newest_row,
    max(file.finished_at) AS loaded_at,
    now() - max(coalesce(file.window_end, file.window_start, file.max_timestamp)) AS behind
FROM etl.file
WHERE file.log = 'conn' AND file.state IN ('published', 'known', 'incomplete', 'superseded')
GROUP BY file.sensor;
