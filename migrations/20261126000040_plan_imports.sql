-- Tables of reservations that somebody is importing: kept on the server between the steps of the page, for their owner only.
CREATE TABLE plan_import (
    import_id  uuid PRIMARY KEY,
    pool_id    int NOT NULL REFERENCES pool ON DELETE CASCADE,
    -- The draft that it goes into, and went into once it was taken; null = its owner's own.
    draft_id   uuid REFERENCES draft ON DELETE SET NULL,
    owner_id   uuid NOT NULL,
    file       text NOT NULL CONSTRAINT plan_import_file CHECK (char_length(file) BETWEEN 1 AND 200),
    rows       int NOT NULL CONSTRAINT plan_import_rows CHECK (rows >= 0),
    -- The file; once it was taken the rows that were not; nothing once it is over.
    content    bytea NOT NULL CONSTRAINT plan_import_size CHECK (octet_length(content) <= 67108864),
    -- Columns as they are read, values read as others, cells that were corrected, rows that are left out.
    repairs    jsonb NOT NULL DEFAULT '{}' CONSTRAINT plan_import_repairs CHECK (jsonb_typeof(repairs) = 'object'),
    version    int NOT NULL DEFAULT 1,         -- counts changes of the repairs
    taken_at   timestamptz,
    rows_taken int NOT NULL DEFAULT 0,
    rows_left  int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT hr_now(),
    expires_at timestamptz NOT NULL
);
-- A file is read and written as a whole, and shrinking it takes longer than reading it.
ALTER TABLE plan_import ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX plan_import_of ON plan_import (owner_id, created_at DESC);
CREATE INDEX plan_import_expires ON plan_import (expires_at);
