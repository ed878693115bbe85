-- The archive: which days are also in the Iceberg table, from which state of their rows, and what each file holds.

-- The tables of pyiceberg's SQL catalog; conn_loader makes them here when the first day is archived.
CREATE SCHEMA iceberg;

CREATE TABLE etl.archive_day (
    day date PRIMARY KEY,
    changes bigint NOT NULL DEFAULT 0,
    exported_changes bigint,
    export_id text,
    snapshot_id bigint,
    rows bigint,
    bytes bigint,
    exported_at timestamptz,
    verified_at timestamptz,
    fault text,
    keep_until timestamptz
);

COMMENT ON TABLE etl.archive_day IS 'days of the archive; a row is made before the first export of its day';
COMMENT ON COLUMN etl.archive_day.changes IS
'how often a publish, replay or unload changed rows of the day since this row is here';
COMMENT ON COLUMN etl.archive_day.exported_changes IS
'the value of changes in the snapshot that was exported; the day is stale when it is another one now';
COMMENT ON COLUMN etl.archive_day.export_id IS 'the export that the Iceberg table has; NULL before the first one';
COMMENT ON COLUMN etl.archive_day.snapshot_id IS 'the Iceberg snapshot that this export was committed as';
COMMENT ON COLUMN etl.archive_day.verified_at IS
'when the files were last read and found right; NULL after a verification that found a fault';
COMMENT ON COLUMN etl.archive_day.fault IS 'what the last verification found';
COMMENT ON COLUMN etl.archive_day.keep_until IS 'retention leaves a restored day alone until then';

COMMENT ON COLUMN etl.archive_day.day IS 'the UTC day';
COMMENT ON COLUMN etl.archive_day.rows IS 'rows of the export';
COMMENT ON COLUMN etl.archive_day.bytes IS 'size of the export''s files [bytes]';
COMMENT ON COLUMN etl.archive_day.exported_at IS 'when it was exported';

CREATE TABLE etl.archive_file (
    path text PRIMARY KEY,
    day date NOT NULL REFERENCES etl.archive_day (day),
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    columns jsonb NOT NULL,
    sources jsonb NOT NULL
);

CREATE INDEX archive_file_day ON etl.archive_file (day);

COMMENT ON TABLE etl.archive_file IS 'Parquet files of the archived days';
COMMENT ON COLUMN etl.archive_file.columns IS
'column -> [values that are not NULL, their sum (of text: of the lengths in bytes), digest of the values]';
COMMENT ON COLUMN etl.archive_file.sources IS 'etl_file_id -> rows of that file';
COMMENT ON COLUMN etl.archive_file.path IS 'where the file is: a path or a URL';
COMMENT ON COLUMN etl.archive_file.day IS 'the day whose rows it has';
COMMENT ON COLUMN etl.archive_file.rows IS 'rows in the file';
COMMENT ON COLUMN etl.archive_file.bytes IS 'size of the file [bytes]';
