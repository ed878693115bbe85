-- Undo and redo: whose rows a file's duplicates are, and what a file that is loaded again was before.

-- A row that several files hold is in zeek.conn once, under the first of them. When that one is unloaded, the others
-- have to bring it again: these are they.
CREATE TABLE etl.duplicate_of (
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    of_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    rows bigint NOT NULL CHECK (rows > 0),
    PRIMARY KEY (etl_file_id, of_file_id)
);

CREATE INDEX duplicate_of_other ON etl.duplicate_of (of_file_id);

-- before: the row of this table as it was when the file was opened again. Its rows stay in zeek.conn, and its lines in
-- quarantine, until the transaction that publishes it anew; if that refuses it, this is what it goes back to.
-- replaces: rows of the path's other versions go too.
ALTER TABLE etl.file
ADD COLUMN before jsonb,
ADD COLUMN replaces boolean NOT NULL DEFAULT false;

CREATE INDEX file_redone ON etl.file (etl_file_id) WHERE before IS NOT NULL;
