-- Plans: what planners write about a pool, what it comes to, and every change with who, why and how it was before.
--
-- What used to be a reservation, one range with its slots, is a promise from here on: what holds when. A reservation is what a
-- planner writes, and comes to one promise or many.

-- ---------------------------------------------------------------- what holds when
ALTER TABLE reservation RENAME TO promise;
ALTER TABLE promise DROP CONSTRAINT reservation_pkey;
ALTER INDEX reservation_by_pool RENAME TO promise_during;
ALTER INDEX reservation_by_pool_tenant RENAME TO promise_by_pool_tenant;
ALTER INDEX reservation_by_tenant RENAME TO promise_by_tenant;
ALTER TRIGGER reservation_changed ON promise RENAME TO promise_changed;
ALTER TABLE promise RENAME CONSTRAINT reservation_range TO promise_range;
ALTER TABLE promise RENAME CONSTRAINT reservation_baseline TO promise_baseline;
ALTER TABLE promise RENAME CONSTRAINT reservation_ceiling TO promise_ceiling;
ALTER TABLE promise RENAME CONSTRAINT reservation_lending TO promise_lending;
ALTER TABLE promise RENAME CONSTRAINT reservation_borrowing TO promise_borrowing;
ALTER TABLE promise
    -- The time before a start in which the slots are kept free.
    ADD COLUMN is_lead  boolean NOT NULL DEFAULT false,
    ADD COLUMN priority smallint CONSTRAINT promise_priority CHECK (priority BETWEEN 0 AND 9);
CREATE INDEX promise_by_reservation ON promise (reservation_id);

-- ---------------------------------------------------------------- plans
-- One plan a pool. Whoever publishes locks its row: publications of a pool happen one after the other.
CREATE TABLE plan (
    pool_id    int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    version    int NOT NULL DEFAULT 0,         -- counts publications
    policy     jsonb NOT NULL DEFAULT '{}' CONSTRAINT plan_policy_form CHECK (jsonb_typeof(policy) = 'object'),
    policy_version int NOT NULL DEFAULT 1
);

-- A tenant may not be promised more on average over any window of so many hours.
CREATE TABLE rolling_cap (
    pool_id   int NOT NULL REFERENCES pool ON DELETE CASCADE,
    tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
    slots     int NOT NULL CONSTRAINT rolling_cap_slots CHECK (slots BETWEEN 0 AND 10000000),
    hours     int NOT NULL CONSTRAINT rolling_cap_hours CHECK (hours BETWEEN 1 AND 8784),
    PRIMARY KEY (pool_id, tenant_id)
);

-- ---------------------------------------------------------------- reservations
CREATE TABLE reservation (
    reservation_id uuid PRIMARY KEY,
    pool_id        int NOT NULL REFERENCES pool ON DELETE CASCADE,
    tenant_id      int NOT NULL REFERENCES tenant ON DELETE CASCADE,
    name           text NOT NULL CONSTRAINT reservation_name_form CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    terms          jsonb NOT NULL CONSTRAINT reservation_terms_form CHECK (jsonb_typeof(terms) = 'object'),
    -- First instant, and first instant after the last; null = until further notice.
    from_at        timestamptz NOT NULL,
    to_at          timestamptz CONSTRAINT reservation_range CHECK (to_at > from_at),
    -- What repeats without an end is worked out up to here; null = all of it is.
    worked_out_to  timestamptz,
    -- What was above a limit that shrank has been taken back.
    drained_at     timestamptz,
    -- So many days before its end it was reminded of last: 30, 14 or 7.
    reminded_days  smallint,
    version        int NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT hr_now(),
    updated_at     timestamptz NOT NULL DEFAULT hr_now(),
    cancelled_at   timestamptz
);
CREATE UNIQUE INDEX reservation_name_unique ON reservation (pool_id, name) WHERE cancelled_at IS NULL;
CREATE INDEX reservation_of_tenant ON reservation (tenant_id);
CREATE INDEX reservation_to_work_out ON reservation (worked_out_to) WHERE worked_out_to IS NOT NULL AND cancelled_at IS NULL;

-- What was promised before: in UTC, named by the end of its id.
INSERT INTO reservation (reservation_id, pool_id, tenant_id, name, terms, from_at, to_at)
SELECT p.reservation_id, p.pool_id, p.tenant_id, 'r-' || right(p.reservation_id::text, 12),
       jsonb_strip_nulls(jsonb_build_object(
           'name', 'r-' || right(p.reservation_id::text, 12), 'tenant', t.slug, 'kind', p.kind,
           'start', to_char(lower(p.during) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'),
           'end', to_char(upper(p.during) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'),
           'zone', 'UTC', 'slots', p.baseline, 'ceiling', p.ceiling, 'lending_limit', p.lending_limit,
           'borrowing_limit', p.borrowing_limit, 'note', p.note)),
       lower(p.during), upper(p.during)
FROM promise p JOIN tenant t USING (tenant_id);
ALTER TABLE promise ADD CONSTRAINT promise_of FOREIGN KEY (reservation_id) REFERENCES reservation ON DELETE CASCADE;
ALTER TABLE promise DROP COLUMN note, DROP COLUMN version;

-- ---------------------------------------------------------------- publications
CREATE TABLE publication (
    publication_id uuid PRIMARY KEY,
    pool_id        int NOT NULL REFERENCES pool ON DELETE CASCADE,
    version        int NOT NULL,               -- of the plan, with it
    at             timestamptz NOT NULL DEFAULT hr_now(),
    actor          text NOT NULL,
    actor_id       uuid,
    source         text NOT NULL,
    reason         text NOT NULL CONSTRAINT publication_reason CHECK (char_length(reason) BETWEEN 1 AND 500),
    draft_id       uuid,
    reverts        uuid REFERENCES publication,
    -- Which policy allowed it.
    policy         jsonb NOT NULL,
    CONSTRAINT publication_version UNIQUE (pool_id, version)
);
CREATE INDEX publication_reverts ON publication (reverts) WHERE reverts IS NOT NULL;
CREATE TABLE publication_change (
    publication_id uuid NOT NULL REFERENCES publication ON DELETE CASCADE,
    ordinal        int NOT NULL,
    reservation_id uuid NOT NULL,
    change         jsonb NOT NULL,             -- domain::plan::change::Change
    PRIMARY KEY (publication_id, ordinal)
);
CREATE INDEX publication_change_of ON publication_change (reservation_id);

-- ---------------------------------------------------------------- drafts
CREATE TABLE draft (
    draft_id    uuid PRIMARY KEY,
    pool_id     int NOT NULL REFERENCES pool ON DELETE CASCADE,
    name        text NOT NULL CONSTRAINT draft_name_form CHECK (char_length(name) BETWEEN 1 AND 120 AND name !~ '[[:cntrl:]]'),
    owner       text NOT NULL,
    owner_id    uuid,
    state       text NOT NULL DEFAULT 'open'
                CONSTRAINT draft_state CHECK (state IN ('open', 'proposed', 'approved', 'rejected', 'published', 'discarded')),
    reason      text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    -- Who decided about a proposal, and why.
    decided_by  text,
    decided_id  uuid,
    decision    text NOT NULL DEFAULT '' CHECK (char_length(decision) <= 500),
    reverts     uuid REFERENCES publication,
    version     int NOT NULL DEFAULT 1,        -- counts edits
    steps       int NOT NULL DEFAULT 0,        -- that are done; later ones can be redone
    created_at  timestamptz NOT NULL DEFAULT hr_now(),
    updated_at  timestamptz NOT NULL DEFAULT hr_now()
);
CREATE INDEX draft_of_pool ON draft (pool_id, updated_at DESC);
CREATE INDEX draft_of_publication ON draft (reverts) WHERE reverts IS NOT NULL;
CREATE TABLE draft_change (
    draft_id       uuid NOT NULL REFERENCES draft ON DELETE CASCADE,
    reservation_id uuid NOT NULL,
    change         jsonb NOT NULL,
    PRIMARY KEY (draft_id, reservation_id)
);
-- What was done to a draft, so that it can be undone: how the change of a reservation was before and after a step, null = none.
CREATE TABLE draft_step (
    draft_id       uuid NOT NULL REFERENCES draft ON DELETE CASCADE,
    step           int NOT NULL,
    ordinal        int NOT NULL DEFAULT 0,
    reservation_id uuid NOT NULL,
    before         jsonb,
    after          jsonb,
    PRIMARY KEY (draft_id, step, ordinal)
);

-- The same request sent twice makes one thing; under the same key another request is refused.
CREATE TABLE plan_key (
    pool_id    int NOT NULL REFERENCES pool ON DELETE CASCADE,
    key        text NOT NULL CONSTRAINT plan_key_form CHECK (char_length(key) BETWEEN 1 AND 200),
    asked      bytea NOT NULL,                 -- hash of the request
    made       uuid NOT NULL,
    at         timestamptz NOT NULL DEFAULT hr_now(),
    PRIMARY KEY (pool_id, key)
);
