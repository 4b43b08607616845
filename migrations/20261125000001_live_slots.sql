-- Live slots: which pools give out slots here, who holds which, one event for each transition, and who decides about a pool.
--
-- A pool is tracked if it has a policy; the slots of other pools live in other systems, and only their counts are known.

-- ---------------------------------------------------------------- who decides
-- A server that may decide about pools. Alive until it expires, on the database's clock.
CREATE TABLE replica (
    replica_id uuid PRIMARY KEY,
    -- Where others reach it; empty if nobody else can.
    url        text NOT NULL DEFAULT '' CHECK (char_length(url) <= 2000),
    started_at timestamptz NOT NULL DEFAULT hr_now(),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------- tracked pools
-- The rules by which a pool's slots are given out (`domain::lease::Policy`).
CREATE TABLE pool_policy (
    pool_id    int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    policy     jsonb NOT NULL CONSTRAINT pool_policy_form CHECK (jsonb_typeof(policy) = 'object'),
    -- What an operator said: open, held (no new claims), draining (no new claims, holders are asked to end).
    mode       text NOT NULL DEFAULT 'open' CHECK (mode IN ('open', 'held', 'draining')),
    version    int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT hr_now()
);

-- One server decides about a pool. Each takeover raises the epoch, and whatever an earlier owner still sends is refused:
-- the statement that changes slots locks this row and compares.
CREATE TABLE pool_owner (
    pool_id    int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    replica_id uuid,
    epoch      bigint NOT NULL DEFAULT 0,
    taken_at   timestamptz
) WITH (fillfactor = 50);

-- Slots: narrow, one index, every transition a heap-only update. A pool is a range of keys.
CREATE TABLE slot (
    slot_id    bigint PRIMARY KEY,           -- pool_id * 2^24 + number
    fence      bigint NOT NULL DEFAULT 0,    -- grows with each claim and each end of one
    claim      uuid,                         -- of whoever holds it
    tenant_id  int,
    priority   smallint,
    holder     text,
    claimed_at timestamptz,
    expires_at timestamptz,
    ends_at    timestamptz,                  -- no renewal reaches beyond
    -- 0 in service; the pool shrank: 1 leaving when it is given back, 2 out; an operator says so: 3 leaving, 4 out
    service    smallint NOT NULL DEFAULT 0 CONSTRAINT slot_service CHECK (service BETWEEN 0 AND 4),
    node       text,                         -- where it was last used
    CONSTRAINT slot_held CHECK ((claim IS NULL) = (expires_at IS NULL) AND (claim IS NULL) = (tenant_id IS NULL)),
    CONSTRAINT slot_number CHECK (slot_id & 16777215 > 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- ---------------------------------------------------------------- what happened
-- One row for each transition, in the statement that makes it. Its number orders the events of a pool, whose owner writes
-- one statement after the other.
CREATE TABLE slot_event (
    at        timestamptz NOT NULL,
    event_id  bigint GENERATED ALWAYS AS IDENTITY,
    pool_id   int NOT NULL,
    kind      smallint NOT NULL,             -- `domain::lease::EventKind`
    slot      int,                           -- number in its pool; null where no slot is concerned
    fence     bigint,
    claim     uuid,
    tenant_id int,
    priority  smallint,
    holder    text,
    actor     text NOT NULL,
    reason    text,
    wait_ms   int,                           -- from the claim to its answer
    held_ms   bigint,                        -- from the claim to its end
    work_ms   int,                           -- as the holder reports it
    outcome   smallint,                      -- `domain::lease::Outcome`
    node      text,
    shard     int,
    cohort    text,
    trace     bytea,
    PRIMARY KEY (at, event_id)
) PARTITION BY RANGE (at);

-- Up to where a pool's events are part of its history, and who held how much at that instant.
CREATE TABLE slot_feed (
    pool_id int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    upto    timestamptz NOT NULL,
    held    jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(held) = 'object')
);

-- ---------------------------------------------------------------- once
-- Answers to claims that carried a key: asked again, the same is answered and nothing is claimed twice.
CREATE TABLE claim_key (
    pool_id   int NOT NULL REFERENCES pool ON DELETE CASCADE,
    key       text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 200),
    claim     uuid NOT NULL,
    body_hash bytea NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (pool_id, key)
);
CREATE INDEX claim_key_by_time ON claim_key USING brin (at);

-- ---------------------------------------------------------------- changed with return
-- A quota that an operator cut for a while; what it was before comes back by itself.
CREATE TABLE quota_cut (
    pool_id    int NOT NULL REFERENCES pool ON DELETE CASCADE,
    tenant_id  int NOT NULL REFERENCES tenant ON DELETE CASCADE,
    slots      int NOT NULL CHECK (slots BETWEEN 0 AND 10000000),
    until      timestamptz NOT NULL,
    actor      text NOT NULL,
    PRIMARY KEY (pool_id, tenant_id)
);

-- What is known of live pools beyond the owner's memory: written each second by the owner, read by every server's pages.
CREATE UNLOGGED TABLE pool_live (
    pool_id int PRIMARY KEY,
    at      timestamptz NOT NULL,
    live    jsonb NOT NULL
) WITH (fillfactor = 30);

-- Owners read these again when anything of them changed.
CREATE TRIGGER quota_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON quota
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
CREATE TRIGGER quota_cut_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON quota_cut
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
CREATE TRIGGER reservation_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON reservation
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
CREATE TRIGGER pool_policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pool_policy
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();

-- A claim of several slots is made whole or not at all: a statement that would make part of one fails as a whole.
CREATE FUNCTION hr_whole(whole boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT whole THEN
        RAISE EXCEPTION 'part of a claim could not be made' USING ERRCODE = 'HR001';
    END IF;
    RETURN true;
END $$;
