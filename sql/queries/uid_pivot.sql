-- question: What is known of the connection with this uid, as another log or an alert names it?
-- answer: One line for each row with the uid (one a sensor's Zeek gave it, so usually one), every column, and the file
--   and line that it came from.
-- param uid text: the uid, as C1a2B3c4D5e6F7g8H9
-- bound: ledger
SELECT conn.*, file.sensor, file.path
FROM zeek.conn
LEFT JOIN etl.file AS file ON conn.etl_file_id = file.etl_file_id
WHERE
    conn.event_uid = :uid
    AND conn."@timestamp" >= CAST(:since AS timestamptz) AND conn."@timestamp" < CAST(:until AS timestamptz)
ORDER BY conn."@timestamp"
