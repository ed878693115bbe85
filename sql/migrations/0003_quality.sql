-- What quality work leaves behind: who replayed or discarded which line, verdicts and measures of days, kept reports,
-- and problems that somebody was told of.

-- One row a line and action: who, when, why, and what came of it.
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
CREATE INDEX quarantine_open ON etl.quarantine (etl_file_id) WHERE state = 'open';

-- The day that a suite after publish was asked about; NULL for the gate.
ALTER TABLE etl.expectation_result ADD COLUMN day date;
CREATE INDEX expectation_result_rule ON etl.expectation_result (suite, rule, expectation_result_id)
WHERE etl_file_id IS NULL;
CREATE INDEX expectation_result_day ON etl.expectation_result (day) WHERE day IS NOT NULL;

-- What a day is like, in numbers: rows.<hour>, null.<column>, state.<state>, protocol.<protocol>, unknown_service.
-- rows: how many stand behind the value.
CREATE TABLE etl.day_measure (
    day date NOT NULL,
    measure text NOT NULL,
    value double precision NOT NULL,
    rows bigint NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, measure)
);

-- Rendered reports: the machine that shows them is not the one that made them.
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

-- What is wrong now, so that it is told once and not every hour.
CREATE TABLE etl.problem (
    problem text PRIMARY KEY,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning')),
    what text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz,
    gone_at timestamptz
);
