-- All tables of conn-etl: the data in the schema zeek, the accounts of it in the schema etl.
--
-- Functions, views and grants are in separate files and are run again after every migration (etl/schema.py).
-- Comments on the columns that come from the log are written from the data dictionary (etl/fields.py) at that time.

CREATE SCHEMA IF NOT EXISTS zeek;
COMMENT ON SCHEMA zeek IS 'Connections from Zeek''s conn logs, and what is computed from them. Readers ask here.';
COMMENT ON SCHEMA etl IS
'The ledger of conn-etl: files, runs, quarantine, results of rules, days. Staging tables (stage_<batch>) come and go.';

------------------------------------------------------------------------------------------------------------------------
-- zeek: connections
------------------------------------------------------------------------------------------------------------------------

-- Column names are those of the data dictionary; a test compares. There is no default partition: the partition of a day
-- is made by etl.ensure_partition before its first row comes.
CREATE TABLE zeek.conn (
    "@timestamp" timestamptz NOT NULL,
    network_protocol text NOT NULL,
    src_ip_addr inet NOT NULL,
    src_port integer NOT NULL,
    dst_ip_addr inet NOT NULL,
    dst_port integer NOT NULL,
    network_outer_vlan_id integer,
    network_inner_vlan_id integer,
    zeek_connection_tunnel_parents text,
    event_uid text NOT NULL,
    src_bytes bigint,
    src_ip_bytes bigint,
    src_mac text,
    src_packets bigint,
    zeek_connection_local_src boolean,
    zeek_connection_local_dst boolean,
    event_duration double precision,
    network_connection_history text,
    network_connection_state text,
    network_missed_bytes bigint,
    network_application text,
    dst_bytes bigint,
    dst_ip_bytes bigint,
    dst_mac text,
    dst_packets bigint,
    etl_file_id bigint NOT NULL,
    etl_line bigint NOT NULL,
    extra jsonb,
    CONSTRAINT conn_identity UNIQUE ("@timestamp", event_uid)
) PARTITION BY RANGE ("@timestamp");

COMMENT ON TABLE zeek.conn IS
'One row per connection, one partition per UTC day. A query without a bound on "@timestamp" opens every partition.';
COMMENT ON COLUMN zeek.conn.etl_file_id IS 'The file that the row came from: etl.file. Not a foreign key, for speed.';
COMMENT ON COLUMN zeek.conn.etl_line IS 'The row''s line in that file, decompressed; the first line is 1.';
COMMENT ON COLUMN zeek.conn.extra IS
'Columns of the log that the data dictionary lacks, by their name in the log. NULL where there are none.';

CREATE TABLE zeek.conn_state (
    network_connection_state text PRIMARY KEY,
    meaning text NOT NULL
);

COMMENT ON TABLE zeek.conn_state IS 'What each value of zeek.conn.network_connection_state means.';
COMMENT ON COLUMN zeek.conn_state.network_connection_state IS 'The code.';
COMMENT ON COLUMN zeek.conn_state.meaning IS 'How such a connection went.';

CREATE TABLE zeek.history_flag (
    flag text PRIMARY KEY,
    meaning text NOT NULL,
    since text NOT NULL
);

COMMENT ON TABLE zeek.history_flag IS
'What each letter of zeek.conn.network_connection_history means; a capital letter is the originator''s.';
COMMENT ON COLUMN zeek.history_flag.flag IS 'The letter, in lower case.';
COMMENT ON COLUMN zeek.history_flag.meaning IS 'What happened.';
COMMENT ON COLUMN zeek.history_flag.since IS
'dictionary: it is in the list of the data dictionary. later: newer versions of Zeek write it.';

CREATE TABLE zeek.transport_protocol (
    network_protocol text PRIMARY KEY
);

COMMENT ON TABLE zeek.transport_protocol IS 'The values of zeek.conn.network_protocol.';
COMMENT ON COLUMN zeek.transport_protocol.network_protocol IS 'The name as Zeek writes it.';

CREATE TABLE zeek.conn_hour (
    hour timestamptz NOT NULL,
    network_protocol text NOT NULL,
    network_application text,
    network_connection_state text,
    sensor text NOT NULL,
    connections bigint NOT NULL,
    src_bytes numeric,
    dst_bytes numeric,
    src_ip_bytes numeric,
    dst_ip_bytes numeric,
    src_packets numeric,
    dst_packets numeric,
    network_missed_bytes numeric,
    CONSTRAINT conn_hour_identity UNIQUE NULLS NOT DISTINCT (
        hour, network_protocol, network_application, network_connection_state, sensor
    )
);

-- numeric: a broken counter of 2^63 must not overflow a sum
COMMENT ON TABLE zeek.conn_hour IS
'Rollup: the sums of each UTC hour. Sums are NULL where every term is unset. Hours in etl.touched_hour are due.';
COMMENT ON COLUMN zeek.conn_hour.hour IS 'Start of the hour.';
COMMENT ON COLUMN zeek.conn_hour.network_protocol IS 'Transport protocol of these connections.';
COMMENT ON COLUMN zeek.conn_hour.network_application IS
'Service of these connections, as the log has it; NULL is unset.';
COMMENT ON COLUMN zeek.conn_hour.network_connection_state IS 'Connection state; NULL is unset.';
COMMENT ON COLUMN zeek.conn_hour.sensor IS
'Sensor of the files that these rows came from; empty where there is one only.';
COMMENT ON COLUMN zeek.conn_hour.connections IS 'Number of connections that began in the hour.';
COMMENT ON COLUMN zeek.conn_hour.src_bytes IS 'Sum of src_bytes [bytes].';
COMMENT ON COLUMN zeek.conn_hour.dst_bytes IS 'Sum of dst_bytes [bytes].';
COMMENT ON COLUMN zeek.conn_hour.src_ip_bytes IS 'Sum of src_ip_bytes [bytes].';
COMMENT ON COLUMN zeek.conn_hour.dst_ip_bytes IS 'Sum of dst_ip_bytes [bytes].';
COMMENT ON COLUMN zeek.conn_hour.src_packets IS 'Sum of src_packets [packets].';
COMMENT ON COLUMN zeek.conn_hour.dst_packets IS 'Sum of dst_packets [packets].';
COMMENT ON COLUMN zeek.conn_hour.network_missed_bytes IS 'Sum of network_missed_bytes [bytes].';

CREATE TABLE zeek.top_address (
    day date NOT NULL,
    role text NOT NULL CHECK (role IN ('src', 'dst')),
    ip_addr inet NOT NULL,
    connections bigint NOT NULL,
    src_ip_bytes numeric,
    dst_ip_bytes numeric,
    src_bytes numeric,
    dst_bytes numeric,
    network_missed_bytes numeric,
    rank_by_bytes bigint NOT NULL,
    rank_by_connections bigint NOT NULL,
    PRIMARY KEY (day, role, ip_addr)
);

COMMENT ON TABLE zeek.top_address IS
'Rollup: the addresses of a sealed day that are among the first hundred by IP bytes (both directions) or connections.';
COMMENT ON COLUMN zeek.top_address.day IS 'UTC day.';
COMMENT ON COLUMN zeek.top_address.role IS 'src: as originator. dst: as responder.';
COMMENT ON COLUMN zeek.top_address.ip_addr IS 'The address.';
COMMENT ON COLUMN zeek.top_address.connections IS 'Its connections in this role on this day.';
COMMENT ON COLUMN zeek.top_address.src_ip_bytes IS 'Sum of src_ip_bytes of these connections [bytes].';
COMMENT ON COLUMN zeek.top_address.dst_ip_bytes IS 'Sum of dst_ip_bytes of these connections [bytes].';
COMMENT ON COLUMN zeek.top_address.src_bytes IS 'Sum of src_bytes of these connections [bytes].';
COMMENT ON COLUMN zeek.top_address.dst_bytes IS 'Sum of dst_bytes of these connections [bytes].';
COMMENT ON COLUMN zeek.top_address.network_missed_bytes IS
'Sum of network_missed_bytes of these connections [bytes].';
COMMENT ON COLUMN zeek.top_address.rank_by_bytes IS
'Place by src_ip_bytes plus dst_ip_bytes, then by payload; 1 has the most.';
COMMENT ON COLUMN zeek.top_address.rank_by_connections IS 'Place by connections; 1 has the most.';

CREATE TABLE zeek.network (
    cidr cidr NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (source, kind, cidr, valid_from)
);

CREATE INDEX network_cidr ON zeek.network USING gist (cidr inet_ops);

COMMENT ON TABLE zeek.network IS
'Names for addresses: the site''s own networks, countries, autonomous systems. zeek.network_of finds them.';
COMMENT ON COLUMN zeek.network.cidr IS 'The network. Of several that contain an address, the smallest one names it.';
COMMENT ON COLUMN zeek.network.name IS 'Its name.';
COMMENT ON COLUMN zeek.network.kind IS
'site, country, asn, or a kind of the user''s own; an address has one name of each.';
COMMENT ON COLUMN zeek.network.source IS 'The file it was imported from. An import replaces what its source had.';
COMMENT ON COLUMN zeek.network.valid_from IS 'From when on the network has this name; -infinity is always.';

------------------------------------------------------------------------------------------------------------------------
-- etl: runs and files
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE etl.run (
    run_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('command', 'dag')),
    arguments jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    files bigint NOT NULL DEFAULT 0,
    rows_read bigint NOT NULL DEFAULT 0,
    rows_loaded bigint NOT NULL DEFAULT 0,
    rows_duplicate bigint NOT NULL DEFAULT 0,
    rows_quarantined bigint NOT NULL DEFAULT 0,
    bytes_packed bigint NOT NULL DEFAULT 0,
    bytes_read bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE etl.run IS 'One run of the command or of a DAG.';
COMMENT ON COLUMN etl.run.run_id IS 'Name of the run; a run of a DAG has Airflow''s run id in it.';
COMMENT ON COLUMN etl.run.kind IS 'command or dag.';
COMMENT ON COLUMN etl.run.arguments IS 'What the run was asked to do.';
COMMENT ON COLUMN etl.run.started_at IS 'When it started.';
COMMENT ON COLUMN etl.run.ended_at IS 'When it ended; NULL while it runs, and where it was killed.';
COMMENT ON COLUMN etl.run.files IS
'Files that it read. This and the counts after it are written when the run ends and never change.';
COMMENT ON COLUMN etl.run.rows_read IS 'Rows that it read.';
COMMENT ON COLUMN etl.run.rows_loaded IS 'Rows that it loaded.';
COMMENT ON COLUMN etl.run.rows_duplicate IS 'Rows that it found in the table already.';
COMMENT ON COLUMN etl.run.rows_quarantined IS 'Rows that it put into quarantine.';
COMMENT ON COLUMN etl.run.bytes_packed IS 'Size on disk of the files that it read [bytes].';
COMMENT ON COLUMN etl.run.bytes_read IS 'Decompressed size of the files that it read [bytes].';

CREATE SEQUENCE etl.batch_id_seq;
COMMENT ON SEQUENCE etl.batch_id_seq IS 'Numbers of batches: the files that are loaded together.';

CREATE TABLE etl.file (
    etl_file_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL,
    size bigint NOT NULL,
    mtime timestamptz NOT NULL,
    sensor text NOT NULL DEFAULT '',
    window_start timestamptz,
    window_end timestamptz,
    state text NOT NULL DEFAULT 'found' CHECK (state IN (
        'found', 'staged', 'published', 'known', 'incomplete', 'refused', 'failed', 'skipped',
        'superseded', 'unloaded'
    )),
    kind text,
    reason text,
    digest bytea,
    known_file_id bigint REFERENCES etl.file (etl_file_id),
    compression text,
    bytes_read bigint,
    incomplete text,
    extra_columns jsonb,
    accepted_by text,
    accepted_at timestamptz,
    batch_id bigint,
    batch_position integer,
    rows_read bigint,
    rows_staged bigint,
    rows_rejected bigint,
    rows_failed bigint,
    rows_loaded bigint,
    rows_duplicate bigint,
    rows_quarantined bigint,
    rows_pruned bigint NOT NULL DEFAULT 0,
    min_timestamp timestamptz,
    max_timestamp timestamptz,
    mapping_version integer,
    run_id text REFERENCES etl.run (run_id),
    first_seen timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    before jsonb,
    replaces boolean NOT NULL DEFAULT false,
    CONSTRAINT file_identity UNIQUE (path, size, mtime),
    CONSTRAINT file_equation CHECK (
        state NOT IN ('published', 'incomplete', 'superseded')
        OR (
            rows_read IS NOT NULL AND rows_loaded IS NOT NULL
            AND rows_duplicate IS NOT NULL AND rows_quarantined IS NOT NULL
            AND rows_read = rows_loaded + rows_duplicate + rows_quarantined
        )
    )
);

CREATE INDEX file_digest ON etl.file (digest);
CREATE INDEX file_open ON etl.file (batch_id) WHERE state IN ('found', 'staged');
CREATE INDEX file_run ON etl.file (run_id);
CREATE INDEX file_redone ON etl.file (etl_file_id) WHERE before IS NOT NULL;

COMMENT ON TABLE etl.file IS
'The ledger: one row per file, where a file is a path with a size and a modification time. '
'Of a file that is loaded: rows_read = rows_loaded + rows_duplicate + rows_quarantined.';
COMMENT ON COLUMN etl.file.etl_file_id IS 'Number of the file.';
COMMENT ON COLUMN etl.file.path IS 'Absolute path, URL, or stdin: with the digest.';
COMMENT ON COLUMN etl.file.size IS 'Size on disk [bytes].';
COMMENT ON COLUMN etl.file.mtime IS 'Modification time.';
COMMENT ON COLUMN etl.file.sensor IS 'Sensor by the path and the settings; empty where there is none.';
COMMENT ON COLUMN etl.file.window_start IS
'Start of the rotation interval by the file''s name; NULL where it does not tell.';
COMMENT ON COLUMN etl.file.window_end IS
'End of the rotation interval by the file''s name; NULL where it does not tell.';
COMMENT ON COLUMN etl.file.state IS
'found, staged: open, the next run goes on. published, incomplete (its end is missing): its rows are loaded. '
'superseded: its rows are loaded, and a newer version of the path is too. known: the same bytes were loaded as another '
'file. refused: its content is not accepted. failed: it cannot be read. skipped: it is not a log for us. unloaded: its '
'rows were taken back. See etl.is_open and etl.has_rows.';
COMMENT ON COLUMN etl.file.kind IS 'Kind of error or remark, one word; NULL where there is none.';
COMMENT ON COLUMN etl.file.reason IS 'Why the file is in this state, a sentence; NULL where that goes without saying.';
COMMENT ON COLUMN etl.file.digest IS 'SHA-256 of the decompressed bytes.';
COMMENT ON COLUMN etl.file.known_file_id IS 'The file that brought the same bytes, where the state is known.';
COMMENT ON COLUMN etl.file.compression IS 'Compression by the file''s first bytes: none, gzip, zstd and so on.';
COMMENT ON COLUMN etl.file.bytes_read IS 'Size when decompressed [bytes].';
COMMENT ON COLUMN etl.file.incomplete IS 'Why the end is missing; NULL for a whole file.';
COMMENT ON COLUMN etl.file.extra_columns IS 'Columns that the data dictionary lacks, with their types.';
COMMENT ON COLUMN etl.file.accepted_by IS 'Who lifted the error budget for this file.';
COMMENT ON COLUMN etl.file.accepted_at IS 'When the error budget was lifted.';
COMMENT ON COLUMN etl.file.batch_id IS 'Batch that the file is or was loaded in.';
COMMENT ON COLUMN etl.file.batch_position IS 'Place in the batch; of rows with one identity the first is kept.';
COMMENT ON COLUMN etl.file.rows_read IS 'Lines that are neither blank nor header, counted by the reader.';
COMMENT ON COLUMN etl.file.rows_staged IS 'Rows in the staging table.';
COMMENT ON COLUMN etl.file.rows_rejected IS 'Lines that could not be read or cast.';
COMMENT ON COLUMN etl.file.rows_failed IS 'Staged rows that broke a critical rule; NULL until the gate has run.';
COMMENT ON COLUMN etl.file.rows_loaded IS 'Rows inserted into zeek.conn.';
COMMENT ON COLUMN etl.file.rows_duplicate IS 'Rows that were in zeek.conn already, with the same values.';
COMMENT ON COLUMN etl.file.rows_quarantined IS 'Lines that went to quarantine.';
COMMENT ON COLUMN etl.file.rows_pruned IS 'Lines of rows_quarantined that pruning has deleted since.';
COMMENT ON COLUMN etl.file.min_timestamp IS '"@timestamp" of the first row loaded.';
COMMENT ON COLUMN etl.file.max_timestamp IS '"@timestamp" of the last row loaded.';
COMMENT ON COLUMN etl.file.mapping_version IS 'Version of the mapping that the file was read with.';
COMMENT ON COLUMN etl.file.run_id IS 'Run that last worked on the file.';
COMMENT ON COLUMN etl.file.first_seen IS 'When the file was first found in this size and modification time.';
COMMENT ON COLUMN etl.file.finished_at IS 'When it reached its present state; NULL while it is open.';
COMMENT ON COLUMN etl.file.before IS
'Set while a loaded file is loaded again: this row as it was. Its rows stay in zeek.conn until the new ones are '
'published; if they are refused, the row goes back to this. See etl.loaded_file.';
COMMENT ON COLUMN etl.file.replaces IS
'Whether publishing this file takes back the rows of other versions of its path.';

CREATE TABLE etl.duplicate_of (
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    of_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    rows bigint NOT NULL CHECK (rows > 0),
    PRIMARY KEY (etl_file_id, of_file_id)
);

CREATE INDEX duplicate_of_other ON etl.duplicate_of (of_file_id);

COMMENT ON TABLE etl.duplicate_of IS
'Whose rows a file''s duplicates are. A row that several files hold is in zeek.conn once, under the first of them; '
'when that one is unloaded, the others must bring it again.';
COMMENT ON COLUMN etl.duplicate_of.etl_file_id IS 'The file with duplicates.';
COMMENT ON COLUMN etl.duplicate_of.of_file_id IS 'The file whose rows are in zeek.conn.';
COMMENT ON COLUMN etl.duplicate_of.rows IS 'How many rows.';

CREATE TABLE etl.unknown_column (
    name text PRIMARY KEY,
    type text NOT NULL,
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    first_seen timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE etl.unknown_column IS
'Columns of logs that the data dictionary lacks; their values are in zeek.conn.extra.';
COMMENT ON COLUMN etl.unknown_column.name IS 'Name in the log.';
COMMENT ON COLUMN etl.unknown_column.type IS 'Type by Zeek''s header, or by the JSON value.';
COMMENT ON COLUMN etl.unknown_column.etl_file_id IS 'The first file that had it.';
COMMENT ON COLUMN etl.unknown_column.first_seen IS 'When that file was published.';

------------------------------------------------------------------------------------------------------------------------
-- etl: quarantine
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE etl.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    etl_line bigint NOT NULL,
    raw bytea,
    raw_cut boolean NOT NULL DEFAULT false,
    format jsonb,
    field text,
    reason text NOT NULL,
    rule text NOT NULL,
    mapped jsonb,
    existing jsonb,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded', 'closed')),
    run_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by text,
    resolution text,
    exported_uid text,
    CONSTRAINT quarantine_identity UNIQUE (etl_file_id, etl_line)
);

CREATE INDEX quarantine_open ON etl.quarantine (etl_file_id) WHERE state = 'open';
CREATE INDEX quarantine_exported ON etl.quarantine (quarantine_id) WHERE state = 'open' AND exported_uid IS NOT NULL;

COMMENT ON TABLE etl.quarantine IS 'Lines that did not reach zeek.conn, with all that is needed to try them again.';
COMMENT ON COLUMN etl.quarantine.quarantine_id IS 'Number of the line in quarantine.';
COMMENT ON COLUMN etl.quarantine.etl_file_id IS 'Its file.';
COMMENT ON COLUMN etl.quarantine.etl_line IS 'Its line in the file, decompressed; the first line is 1.';
COMMENT ON COLUMN etl.quarantine.raw IS 'The bytes of the line; NULL where the file could not be read again.';
COMMENT ON COLUMN etl.quarantine.raw_cut IS
'Whether the line was longer than what is kept; then it cannot be replayed.';
COMMENT ON COLUMN etl.quarantine.format IS 'How the line was read: TSV with which separators and columns, or JSON.';
COMMENT ON COLUMN etl.quarantine.field IS
'The field at fault, by its name in the log; NULL where it is the whole line.';
COMMENT ON COLUMN etl.quarantine.reason IS 'What is wrong, a word; for a row, the names of all rules that it broke.';
COMMENT ON COLUMN etl.quarantine.rule IS 'The rule that was broken.';
COMMENT ON COLUMN etl.quarantine.mapped IS 'The row as it would have been loaded; NULL where it could not be mapped.';
COMMENT ON COLUMN etl.quarantine.existing IS 'The row of zeek.conn with the same identity, for an identity_conflict.';
COMMENT ON COLUMN etl.quarantine.state IS
'open. replayed: its row is in zeek.conn. discarded: somebody decided so. closed: its file was replaced or unloaded.';
COMMENT ON COLUMN etl.quarantine.run_id IS 'Run that put it here.';
COMMENT ON COLUMN etl.quarantine.created_at IS 'When it was put here.';
COMMENT ON COLUMN etl.quarantine.resolved_at IS 'When it left the state open.';
COMMENT ON COLUMN etl.quarantine.resolved_by IS 'Who resolved it.';
COMMENT ON COLUMN etl.quarantine.resolution IS 'Why it was resolved in this way.';
COMMENT ON COLUMN etl.quarantine.exported_uid IS
'The uid of a line that was exported as a log: a row of this uid from another file closes the line as replaced.';

CREATE TABLE etl.quarantine_action (
    quarantine_action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    quarantine_id bigint NOT NULL,
    etl_file_id bigint NOT NULL,
    etl_line bigint NOT NULL,
    action text NOT NULL CHECK (action IN ('replay', 'discard')),
    outcome text NOT NULL CHECK (outcome IN ('published', 'duplicate', 'still_bad', 'discarded')),
    reason text NOT NULL,
    actor text NOT NULL,
    why text NOT NULL,
    run_id text,
    acted_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX quarantine_action_line ON etl.quarantine_action (quarantine_id);

COMMENT ON TABLE etl.quarantine_action IS
'One row per line and action: who replayed or discarded it, and with which outcome.';
COMMENT ON COLUMN etl.quarantine_action.quarantine_action_id IS 'Number of the action.';
COMMENT ON COLUMN etl.quarantine_action.quarantine_id IS 'The line; it may have been pruned since.';
COMMENT ON COLUMN etl.quarantine_action.etl_file_id IS 'Its file.';
COMMENT ON COLUMN etl.quarantine_action.etl_line IS 'Its line in the file.';
COMMENT ON COLUMN etl.quarantine_action.action IS 'replay or discard.';
COMMENT ON COLUMN etl.quarantine_action.outcome IS
'published: its row was inserted. duplicate: the row was there. still_bad: it failed again. discarded.';
COMMENT ON COLUMN etl.quarantine_action.reason IS 'Why it was in quarantine before the action.';
COMMENT ON COLUMN etl.quarantine_action.actor IS 'Who did it.';
COMMENT ON COLUMN etl.quarantine_action.why IS 'Why, in that person''s words.';
COMMENT ON COLUMN etl.quarantine_action.run_id IS 'The run of the action.';
COMMENT ON COLUMN etl.quarantine_action.acted_at IS 'When.';

------------------------------------------------------------------------------------------------------------------------
-- etl: results of rules, measures, reports, problems
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE etl.expectation_result (
    expectation_result_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text,
    batch_id bigint,
    day date,
    etl_file_id bigint REFERENCES etl.file (etl_file_id),
    suite text NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning', 'info')),
    success boolean NOT NULL,
    rows bigint NOT NULL,
    failed bigint NOT NULL,
    share double precision NOT NULL GENERATED ALWAYS AS (
        CASE WHEN rows = 0 THEN 0 ELSE failed::double precision / rows END
    ) STORED,
    sample jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX expectation_result_batch ON etl.expectation_result (batch_id);
CREATE INDEX expectation_result_run ON etl.expectation_result (run_id);
CREATE INDEX expectation_result_rule ON etl.expectation_result (suite, rule, expectation_result_id)
WHERE etl_file_id IS NULL;
CREATE INDEX expectation_result_day ON etl.expectation_result (day) WHERE day IS NOT NULL;

COMMENT ON TABLE etl.expectation_result IS
'What rules found: one row per rule and batch (the gate) or day (checks after publish), and one more per file in which '
'the rule failed. The newest one of each rule is in etl.rule_state.';
COMMENT ON COLUMN etl.expectation_result.expectation_result_id IS 'Number of the result; later ones are higher.';
COMMENT ON COLUMN etl.expectation_result.run_id IS 'The run that asked.';
COMMENT ON COLUMN etl.expectation_result.batch_id IS 'The batch, for the gate.';
COMMENT ON COLUMN etl.expectation_result.day IS 'The UTC day, for checks after publish.';
COMMENT ON COLUMN etl.expectation_result.etl_file_id IS 'The file; NULL for the result on the whole batch or day.';
COMMENT ON COLUMN etl.expectation_result.suite IS 'Suite of the rule: a file in expectations/, or ledger.';
COMMENT ON COLUMN etl.expectation_result.rule IS 'Name of the rule.';
COMMENT ON COLUMN etl.expectation_result.severity IS
'critical: rows that break it go to quarantine. warning, info: counted.';
COMMENT ON COLUMN etl.expectation_result.success IS 'Whether no row broke the rule.';
COMMENT ON COLUMN etl.expectation_result.rows IS 'Rows looked at.';
COMMENT ON COLUMN etl.expectation_result.failed IS 'Rows that broke the rule.';
COMMENT ON COLUMN etl.expectation_result.share IS 'failed divided by rows.';
COMMENT ON COLUMN etl.expectation_result.sample IS 'Some of the rows that broke it: file, line, value.';
COMMENT ON COLUMN etl.expectation_result.created_at IS 'When.';

CREATE TABLE etl.day_measure (
    day date NOT NULL,
    measure text NOT NULL,
    value double precision NOT NULL,
    rows bigint NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, measure)
);

COMMENT ON TABLE etl.day_measure IS 'What a day is like, in numbers, to compare it with other days.';
COMMENT ON COLUMN etl.day_measure.day IS 'UTC day.';
COMMENT ON COLUMN etl.day_measure.measure IS
'rows.<hour>: number of rows. null.<column>, state.<state>, protocol.<protocol>, unknown_service: a share from 0 to 1.';
COMMENT ON COLUMN etl.day_measure.value IS 'The number or share.';
COMMENT ON COLUMN etl.day_measure.rows IS 'How many rows stand behind the value.';
COMMENT ON COLUMN etl.day_measure.measured_at IS 'When it was measured.';

CREATE TABLE etl.report (
    report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text,
    since timestamptz,
    until timestamptz,
    verdict text NOT NULL,
    html text NOT NULL,
    content jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE etl.report IS 'Rendered reports: the machine that shows them is not the one that made them.';
COMMENT ON COLUMN etl.report.report_id IS 'Number of the report; later ones are higher.';
COMMENT ON COLUMN etl.report.run_id IS 'The run that made it.';
COMMENT ON COLUMN etl.report.since IS 'Start of the span that it is about.';
COMMENT ON COLUMN etl.report.until IS 'End of the span, itself excluded.';
COMMENT ON COLUMN etl.report.verdict IS 'The report in one word.';
COMMENT ON COLUMN etl.report.html IS 'The page.';
COMMENT ON COLUMN etl.report.content IS 'The facts on the page.';
COMMENT ON COLUMN etl.report.created_at IS 'When it was made.';

CREATE TABLE etl.problem (
    problem text PRIMARY KEY,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning')),
    what text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    notified_at timestamptz,
    gone_at timestamptz
);

COMMENT ON TABLE etl.problem IS
'Open problems and their notifications. Each is sent once, and again only if it recurs.';
COMMENT ON COLUMN etl.problem.problem IS 'Identity of the problem: its kind, a colon, and which one.';
COMMENT ON COLUMN etl.problem.severity IS 'critical: somebody is notified. warning: shown only.';
COMMENT ON COLUMN etl.problem.what IS 'The problem, a sentence.';
COMMENT ON COLUMN etl.problem.first_seen IS 'When it was first seen.';
COMMENT ON COLUMN etl.problem.last_seen IS 'When it was last seen.';
COMMENT ON COLUMN etl.problem.notified_at IS 'When the notification was sent; NULL while it is pending.';
COMMENT ON COLUMN etl.problem.gone_at IS 'When it was no longer seen; NULL while it is open.';

------------------------------------------------------------------------------------------------------------------------
-- etl: days
------------------------------------------------------------------------------------------------------------------------

-- Marks are only added, never shared. With a unique hour and ON CONFLICT DO NOTHING a publish would rely on another
-- session's mark; a recompute could take that mark away before the publish commits, and its rows would not be counted.
-- The CHECK is etl.hour_of written out: functions are made after the tables.
CREATE TABLE etl.touched_hour (
    hour timestamptz NOT NULL CHECK (
        hour = date_bin(interval '1 hour', hour, timestamptz '2000-01-01 00:00:00+00')
    ),
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX touched_hour_hour ON etl.touched_hour (hour);

COMMENT ON TABLE etl.touched_hour IS
'Hours whose rows changed since their rollup was computed; an hour may be here many times.';
COMMENT ON COLUMN etl.touched_hour.hour IS 'Start of the UTC hour.';
COMMENT ON COLUMN etl.touched_hour.marked_at IS 'When its rows changed.';

CREATE TABLE etl.sealed_day (
    day date PRIMARY KEY,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    top_stale boolean NOT NULL DEFAULT true
);

COMMENT ON TABLE etl.sealed_day IS 'Days that ended and have their further indexes. Rows can still come in.';
COMMENT ON COLUMN etl.sealed_day.day IS 'UTC day.';
COMMENT ON COLUMN etl.sealed_day.sealed_at IS 'When it got its indexes.';
COMMENT ON COLUMN etl.sealed_day.top_stale IS 'Whether its rows in zeek.top_address are due to be computed.';

CREATE TABLE etl.retired_day (
    day date PRIMARY KEY,
    reason text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now(),
    retired_by text NOT NULL DEFAULT session_user,
    dropped_at timestamptz,
    rows_dropped bigint,
    bytes_dropped bigint
);

COMMENT ON TABLE etl.retired_day IS
'Days that retention dropped or is dropping. From the moment a day is here, no row of it is loaded any more.';
COMMENT ON COLUMN etl.retired_day.day IS 'UTC day.';
COMMENT ON COLUMN etl.retired_day.reason IS 'Why it was dropped.';
COMMENT ON COLUMN etl.retired_day.retired_at IS 'When the drop began.';
COMMENT ON COLUMN etl.retired_day.retired_by IS 'Who dropped it.';
COMMENT ON COLUMN etl.retired_day.dropped_at IS 'When its partition was gone; NULL while the drop goes on.';
COMMENT ON COLUMN etl.retired_day.rows_dropped IS 'Rows that went with it.';
COMMENT ON COLUMN etl.retired_day.bytes_dropped IS 'Size of its partition with indexes [bytes].';

CREATE TABLE etl.retired_file (
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    day date NOT NULL REFERENCES etl.retired_day (day),
    rows bigint NOT NULL,
    PRIMARY KEY (etl_file_id, day)
);

COMMENT ON TABLE etl.retired_file IS
'Which files the rows of a dropped day came from, so that the ledger still adds up.';
COMMENT ON COLUMN etl.retired_file.etl_file_id IS 'The file.';
COMMENT ON COLUMN etl.retired_file.day IS 'The dropped UTC day.';
COMMENT ON COLUMN etl.retired_file.rows IS 'Rows of the file that went with the day.';

-- Alembic made this table before it ran this file.
COMMENT ON TABLE etl.alembic_version IS 'The version of this schema: the last migration that was run.';
COMMENT ON COLUMN etl.alembic_version.version_num IS 'Its number.';
