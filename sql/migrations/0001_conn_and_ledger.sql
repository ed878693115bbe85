-- zeek.conn with its lookup tables, and the machinery that accounts for every file and row.

CREATE SCHEMA IF NOT EXISTS zeek;

-- Column names are those of the data dictionary (etl/fields.py; a test compares). No default partition:
-- a day's partition is made by etl.ensure_partition before its first row comes.
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

CREATE TABLE zeek.conn_state (
    network_connection_state text PRIMARY KEY,
    meaning text NOT NULL
);

CREATE TABLE zeek.history_flag (
    flag text PRIMARY KEY,
    meaning text NOT NULL,
    since text NOT NULL
);

CREATE TABLE zeek.transport_protocol (
    network_protocol text PRIMARY KEY
);

-- One run of the command or of a DAG.
CREATE TABLE etl.run (
    run_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('command', 'dag')),
    arguments jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

CREATE SEQUENCE etl.batch_id_seq;

-- The ledger. A row is one state of one file: (path, size, mtime).
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
    reason text,
    kind text,
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
    min_timestamp timestamptz,
    max_timestamp timestamptz,
    mapping_version integer,
    run_id text REFERENCES etl.run (run_id),
    first_seen timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
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

-- Lines that did not reach zeek.conn, with all that is needed to try them again.
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
    CONSTRAINT quarantine_identity UNIQUE (etl_file_id, etl_line)
);

-- One line a rule and batch (etl_file_id NULL), and one a rule and file where the rule failed.
CREATE TABLE etl.expectation_result (
    expectation_result_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text,
    batch_id bigint,
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

-- Columns that the dictionary lacks, with the first file that had them.
CREATE TABLE etl.unknown_column (
    name text PRIMARY KEY,
    type text NOT NULL,
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    first_seen timestamptz NOT NULL DEFAULT now()
);

-- The loader may add a day, and nothing else of the owner's: hence SECURITY DEFINER with a fixed search_path.
-- LIKE + ATTACH instead of PARTITION OF: ATTACH locks the parent SHARE UPDATE EXCLUSIVE, so queries and
-- loads go on.
CREATE FUNCTION etl.ensure_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('conn_%s', to_char(day, 'YYYYMMDD'));
    lower_bound text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
BEGIN
    IF day NOT BETWEEN DATE '1990-01-01' AND (now() AT TIME ZONE 'UTC')::date + 366 THEN
        RAISE EXCEPTION 'no partition for %: outside 1990 to a year ahead', day USING ERRCODE = '22008';
    END IF;
    IF to_regclass(format('zeek.%I', leaf)) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7104, day - DATE '1970-01-01');
    IF to_regclass(format('zeek.%I', leaf)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE zeek.%I (LIKE zeek.conn INCLUDING ALL)', leaf);
    EXECUTE format(
        'ALTER TABLE zeek.%I ADD CONSTRAINT %I CHECK ("@timestamp" >= %L AND "@timestamp" < %L)',
        leaf, leaf || '_day', lower_bound, upper_bound
    );
    EXECUTE format(
        'ALTER TABLE zeek.conn ATTACH PARTITION zeek.%I FOR VALUES FROM (%L) TO (%L)',
        leaf, lower_bound, upper_bound
    );
    EXECUTE format('ALTER TABLE zeek.%I DROP CONSTRAINT %I', leaf, leaf || '_day');
    RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION etl.ensure_partition(date) FROM public;
