-- What is wrong with live pools and with the servers, since when, when it was seen, and when it was over: one row for each
-- time that a condition lasts. A background job looks and writes; every page and the API read.
CREATE TABLE finding (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id    int REFERENCES pool ON DELETE CASCADE,  -- null: it is about a server
    kind       text NOT NULL,                -- `domain::failure::Kind`
    subject    text NOT NULL DEFAULT '',     -- tells conditions of one kind in one pool apart: a tenant's key, a server's id
    severity   smallint NOT NULL CONSTRAINT finding_severity CHECK (severity BETWEEN 0 AND 2),
    what       jsonb NOT NULL CONSTRAINT finding_what CHECK (jsonb_typeof(what) = 'object'),
    tenant_id  int,                          -- whom it is about; nobody else's viewers see it
    tenants    int[] NOT NULL DEFAULT '{}',  -- who is hit, worst first
    concerns   int[] NOT NULL DEFAULT '{}',  -- whose viewers see it, if it is about no single tenant
    since      timestamptz NOT NULL,         -- when it began
    seen_at    timestamptz NOT NULL,         -- when it was seen first
    absent_at  timestamptz,                  -- not seen any more from here on; over if it stays so for some seconds
    ended_at   timestamptz
) WITH (fillfactor = 70);

-- A condition is told once while it lasts.
CREATE UNIQUE INDEX finding_open ON finding (pool_id, kind, subject) NULLS NOT DISTINCT WHERE ended_at IS NULL;
CREATE INDEX finding_by_end ON finding (ended_at);

-- How far the looking has come: many pools are looked at some at a time.
CREATE TABLE finding_turn (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at           timestamptz,                -- the last look
    after        int NOT NULL DEFAULT 0,     -- the last pool of that look
    urgent_after int NOT NULL DEFAULT 0,     -- the last one of those that cannot wait
    holds_after  int NOT NULL DEFAULT 0,     -- the last one whose holders were looked at
    events_at    timestamptz,                -- when events were looked at
    holds_at     timestamptz                 -- when holders were
) WITH (fillfactor = 50);
INSERT INTO finding_turn DEFAULT VALUES;

-- The owner saw something in its figures that deserves a look now.
ALTER TABLE pool_live ADD COLUMN asks boolean NOT NULL DEFAULT false;
CREATE INDEX pool_live_asks ON pool_live (pool_id) WHERE asks;
