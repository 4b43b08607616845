-- The first schema: who there is (regions, tenants, pools), what was promised (quotas,
-- reservations), what happened around it (changes), and the packed history of occupancy.
--
-- Conventions: instants are timestamptz in UTC; slots are integers; sums over time are
-- slot-milliseconds in bigint; small integer keys where rows are many, uuid in the API, slugs in
-- URLs. Named constraints are turned into sentences next to the statements that can break them.

-- ---------------------------------------------------------------- time
-- The one clock of the database. Statements never read time in another way, so that a test (and
-- only a server started with --test-clock) can move it.
CREATE TABLE test_clock (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    offset_ms bigint NOT NULL
);

CREATE FUNCTION hr_now() RETURNS timestamptz
    LANGUAGE sql VOLATILE
    RETURN clock_timestamp()
           + COALESCE((SELECT offset_ms FROM test_clock), 0) * interval '1 millisecond';

-- ---------------------------------------------------------------- places
CREATE TABLE region (
    region_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug      text NOT NULL CONSTRAINT region_slug_unique UNIQUE
              CONSTRAINT region_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name      text NOT NULL CONSTRAINT region_name_form CHECK (char_length(name) BETWEEN 1 AND 120)
);

-- A stamp is a full copy of the serving stack in a region; pools and tenants may belong to one.
CREATE TABLE stamp (
    stamp_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug      text NOT NULL CONSTRAINT stamp_slug_unique UNIQUE
              CONSTRAINT stamp_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name      text NOT NULL CONSTRAINT stamp_name_form CHECK (char_length(name) BETWEEN 1 AND 120),
    region_id int REFERENCES region
);

-- Settings of the whole organisation: one row.
CREATE TABLE organisation (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    name      text NOT NULL DEFAULT 'Headroom' CHECK (char_length(name) BETWEEN 1 AND 120),
    currency  text NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    zone      text NOT NULL DEFAULT 'UTC',
    demo      boolean NOT NULL DEFAULT false
);
INSERT INTO organisation DEFAULT VALUES;

-- ---------------------------------------------------------------- tenants
CREATE TABLE tenant (
    tenant_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid NOT NULL CONSTRAINT tenant_id_unique UNIQUE,
    slug        text NOT NULL CONSTRAINT tenant_slug_unique UNIQUE
                CONSTRAINT tenant_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name        text NOT NULL CONSTRAINT tenant_name_form
                CHECK (char_length(name) BETWEEN 1 AND 120 AND name !~ '[[:cntrl:]]'),
    tier        text NOT NULL DEFAULT '' CONSTRAINT tenant_tier_form CHECK (char_length(tier) <= 40),
    priority    smallint NOT NULL DEFAULT 5 CONSTRAINT tenant_priority_range CHECK (priority BETWEEN 0 AND 9),
    weight      int NOT NULL DEFAULT 1 CONSTRAINT tenant_weight_range CHECK (weight BETWEEN 1 AND 10000),
    cost_centre text NOT NULL DEFAULT '' CHECK (char_length(cost_centre) <= 120),
    owner       text NOT NULL DEFAULT '' CHECK (char_length(owner) <= 120),
    labels      jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
    region_id   int REFERENCES region,
    stamp_id    int REFERENCES stamp,
    version     int NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT hr_now(),
    archived_at timestamptz
);

-- Former slugs, so that old links redirect.
CREATE TABLE tenant_alias (
    slug      text PRIMARY KEY,
    tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE
);

-- ---------------------------------------------------------------- pools
CREATE TABLE pool (
    pool_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           uuid NOT NULL CONSTRAINT pool_id_unique UNIQUE,
    slug         text NOT NULL CONSTRAINT pool_slug_unique UNIQUE
                 CONSTRAINT pool_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name         text NOT NULL CONSTRAINT pool_name_form
                 CHECK (char_length(name) BETWEEN 1 AND 120 AND name !~ '[[:cntrl:]]'),
    description  text NOT NULL DEFAULT '' CONSTRAINT pool_description_form CHECK (char_length(description) <= 500),
    kind         text NOT NULL CHECK (kind IN ('fixed', 'autoscaling', 'partitioned', 'tenant-quota', 'staging', 'rate-limited')),
    sizing       text NOT NULL DEFAULT 'static' CHECK (sizing IN ('static', 'dynamic')),
    granting     text NOT NULL DEFAULT 'assignable' CHECK (granting IN ('assignable', 'reservable')),
    lifetime     text NOT NULL DEFAULT 'ephemeral' CHECK (lifetime IN ('ephemeral', 'long-lived')),
    consistency  text NOT NULL DEFAULT 'strong' CHECK (consistency IN ('strong', 'eventual')),
    on_loss      text NOT NULL DEFAULT 'retry' CHECK (on_loss IN ('retry', 'resume', 'drop')),
    min_slots    int CONSTRAINT pool_min_range CHECK (min_slots BETWEEN 0 AND 10000000),
    max_slots    int CONSTRAINT pool_max_range CHECK (max_slots BETWEEN 0 AND 10000000),
    -- Millionths of the organisation's currency per slot and hour; null = not priced.
    unit_cost_micros bigint CONSTRAINT pool_cost_range CHECK (unit_cost_micros BETWEEN 0 AND 1000000000000),
    owner        text NOT NULL DEFAULT '' CHECK (char_length(owner) <= 120),
    runbook_url  text NOT NULL DEFAULT '' CONSTRAINT pool_runbook_form
                 CHECK (runbook_url = '' OR (runbook_url ~ '^https?://' AND char_length(runbook_url) <= 2000)),
    labels       jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
    -- [{service, endpoint, customer_facing}]
    services     jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(services) = 'array'),
    zone         text NOT NULL DEFAULT 'UTC',
    region_id    int REFERENCES region,
    stamp_id     int REFERENCES stamp,
    -- How often samples are expected; null = nothing is expected, the history was imported.
    feed_period_ms int CONSTRAINT pool_feed_range CHECK (feed_period_ms BETWEEN 1000 AND 86400000),
    -- Days of fine history to keep, counted from the pool's newest sample; null = keep all.
    retention_days int DEFAULT 90 CHECK (retention_days BETWEEN 1 AND 36500),
    version      int NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT hr_now(),
    archived_at  timestamptz,
    CONSTRAINT pool_min_max CHECK (min_slots IS NULL OR max_slots IS NULL OR min_slots <= max_slots)
);

CREATE TABLE pool_alias (
    slug    text PRIMARY KEY,
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE
);

-- Capacity is a history of steps: each holds from its instant until the next one.
CREATE TABLE pool_capacity (
    pool_id      int NOT NULL REFERENCES pool ON DELETE CASCADE,
    from_at      timestamptz NOT NULL,
    configured   int NOT NULL CONSTRAINT capacity_range CHECK (configured BETWEEN 0 AND 10000000),
    planned_down int NOT NULL DEFAULT 0 CONSTRAINT planned_down_range CHECK (planned_down BETWEEN 0 AND configured),
    reason       text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    actor        text NOT NULL,
    PRIMARY KEY (pool_id, from_at)
);

-- Up to eight extra gauges or counters of a pool.
CREATE TABLE pool_signal (
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE,
    signal  smallint NOT NULL CONSTRAINT signal_count CHECK (signal BETWEEN 1 AND 8),
    name    text NOT NULL CONSTRAINT signal_name_form CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    unit    text NOT NULL DEFAULT '' CHECK (char_length(unit) <= 20),
    kind    text NOT NULL CHECK (kind IN ('gauge', 'counter')),
    PRIMARY KEY (pool_id, signal),
    CONSTRAINT signal_name_unique UNIQUE (pool_id, name)
);

-- The most slots a tenant may hold in a pool.
CREATE TABLE quota (
    pool_id   int NOT NULL REFERENCES pool ON DELETE CASCADE,
    tenant_id int NOT NULL REFERENCES tenant ON DELETE CASCADE,
    slots     int NOT NULL CONSTRAINT quota_range CHECK (slots BETWEEN 0 AND 10000000),
    since     timestamptz NOT NULL DEFAULT hr_now(),
    version   int NOT NULL DEFAULT 1,
    PRIMARY KEY (pool_id, tenant_id)
);
CREATE INDEX quota_by_tenant ON quota (tenant_id);

-- Slots promised to a tenant in a pool over a time range.
CREATE TABLE reservation (
    reservation_id  uuid PRIMARY KEY,
    pool_id         int NOT NULL REFERENCES pool ON DELETE CASCADE,
    tenant_id       int NOT NULL REFERENCES tenant ON DELETE CASCADE,
    during          tstzrange NOT NULL CONSTRAINT reservation_range
                    CHECK (NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during) AND NOT lower_inf(during)),
    kind            text NOT NULL DEFAULT 'guaranteed' CHECK (kind IN ('guaranteed', 'burst')),
    baseline        int NOT NULL CONSTRAINT reservation_baseline CHECK (baseline BETWEEN 1 AND 10000000),
    ceiling         int CONSTRAINT reservation_ceiling CHECK (ceiling >= baseline),
    lending_limit   int CONSTRAINT reservation_lending CHECK (lending_limit BETWEEN 0 AND baseline),
    borrowing_limit int CONSTRAINT reservation_borrowing CHECK (borrowing_limit >= 0),
    note            text NOT NULL DEFAULT '' CHECK (char_length(note) <= 500),
    version         int NOT NULL DEFAULT 1
);
CREATE INDEX reservation_by_pool ON reservation USING gist (during);
CREATE INDEX reservation_by_pool_tenant ON reservation (pool_id, tenant_id);
CREATE INDEX reservation_by_tenant ON reservation (tenant_id);

-- ---------------------------------------------------------------- what happened around the pools
CREATE TABLE change_event (
    change_id   uuid PRIMARY KEY,
    at          timestamptz NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('deploy', 'swap', 'scale', 'config')),
    pool_id     int REFERENCES pool ON DELETE CASCADE, -- null = all pools
    title       text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 300),
    url         text NOT NULL DEFAULT '' CHECK (url = '' OR (url ~ '^https?://' AND char_length(url) <= 2000)),
    source      text NOT NULL CHECK (char_length(source) BETWEEN 1 AND 120),
    actor       text NOT NULL DEFAULT '' CHECK (char_length(actor) <= 120),
    -- The same event sent or imported twice is one event.
    CONSTRAINT change_once UNIQUE NULLS NOT DISTINCT (source, at, kind, pool_id, title)
);
CREATE INDEX change_by_time ON change_event (at);

-- ---------------------------------------------------------------- live samples
CREATE TABLE ingest_source (
    source_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL CONSTRAINT source_name_unique UNIQUE
              CHECK (char_length(name) BETWEEN 1 AND 120 AND name !~ '[[:cntrl:]]'),
    last_seq  bigint NOT NULL DEFAULT 0,
    last_at   timestamptz
);

-- Accepted batches as they came: one row each, columns packed by the application. The key makes a
-- replay change nothing; the day is a function of the batch's content, so a replay meets its key.
CREATE TABLE occ_raw (
    day         date NOT NULL,
    source_id   int NOT NULL,
    seq         bigint NOT NULL CHECK (seq >= 0),
    received_at timestamptz NOT NULL DEFAULT hr_now(),
    ts_min      timestamptz NOT NULL,
    ts_max      timestamptz NOT NULL,
    n           int NOT NULL CHECK (n BETWEEN 0 AND 100000),
    codec       smallint NOT NULL,
    hash        bytea NOT NULL,
    verdict     jsonb,               -- rows that were rejected, to answer a replay alike
    data        bytea NOT NULL,
    PRIMARY KEY (day, source_id, seq)
) PARTITION BY RANGE (day);
ALTER TABLE occ_raw ALTER data SET STORAGE EXTERNAL; -- already packed

-- Accepted and not yet rolled up: written with the batch, deleted with its rollup.
CREATE TABLE occ_pending (
    day       date NOT NULL,
    source_id int NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (day, source_id, seq)
);

-- ---------------------------------------------------------------- history
-- Everything that was imported in one go is a part of its own (1, 2, ...), seen only when the
-- import is done and removable as a whole; live samples are part 0. pool_id 0 is the total over
-- all pools, tenant_id 0 the total over all tenants.
CREATE TABLE import (
    part         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('swf', 'occupancy', 'intervals', 'demo')),
    content_key  text NOT NULL,       -- hash of the content and of the options that shape it
    source_name  text NOT NULL CHECK (char_length(source_name) BETWEEN 1 AND 300),
    state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
    bytes_done   bigint NOT NULL DEFAULT 0,
    rows_done    bigint NOT NULL DEFAULT 0,
    rows_bad     bigint NOT NULL DEFAULT 0,
    resume       jsonb,               -- what a repeated call needs to go on
    summary      jsonb,
    started_at   timestamptz NOT NULL DEFAULT hr_now(),
    done_at      timestamptz,
    CONSTRAINT import_once UNIQUE (content_key)
);

-- 60 minutes a row.
CREATE TABLE occ_1m (
    pool_id   int NOT NULL,
    tenant_id int NOT NULL,
    start_at  timestamptz NOT NULL,
    part      int NOT NULL,
    points    bytea NOT NULL,
    PRIMARY KEY (pool_id, tenant_id, start_at, part)
) PARTITION BY LIST (part);
-- Live history falls into weekly partitions that retention drops; imports are kept.
CREATE TABLE occ_1m_live PARTITION OF occ_1m FOR VALUES IN (0) PARTITION BY RANGE (start_at);
CREATE TABLE occ_1m_imported PARTITION OF occ_1m DEFAULT;

-- 288 points of five minutes a row: what trends are drawn from.
CREATE TABLE occ_5m (
    pool_id   int NOT NULL,
    tenant_id int NOT NULL,
    start_at  timestamptz NOT NULL,
    part      int NOT NULL,
    points    bytea NOT NULL,
    PRIMARY KEY (pool_id, tenant_id, start_at, part)
) PARTITION BY LIST (part);
CREATE TABLE occ_5m_live PARTITION OF occ_5m FOR VALUES IN (0) PARTITION BY RANGE (start_at);
CREATE TABLE occ_5m_imported PARTITION OF occ_5m DEFAULT;

-- 24 hours a row, with one latency sketch per hour where there is any.
CREATE TABLE occ_1h (
    pool_id   int NOT NULL,
    tenant_id int NOT NULL,
    start_at  timestamptz NOT NULL,
    part      int NOT NULL,
    points    bytea NOT NULL,
    latency   bytea,
    PRIMARY KEY (pool_id, tenant_id, start_at, part)
);

-- One UTC day a row, in the open: totals are plain SQL.
CREATE TABLE occ_1d (
    pool_id               int NOT NULL,
    tenant_id             int NOT NULL,
    start_at              timestamptz NOT NULL,
    part                  int NOT NULL,
    capacity_slot_ms      bigint NOT NULL,
    occupied_slot_ms      bigint NOT NULL,
    reserved_slot_ms      bigint NOT NULL,
    reserved_idle_slot_ms bigint NOT NULL,
    observed_ms           bigint NOT NULL,
    saturated_ms          bigint NOT NULL,
    max_occupied          bigint NOT NULL,
    claims                bigint NOT NULL,
    rejections            bigint NOT NULL,
    waited                bigint NOT NULL,
    queue_ms              bigint NOT NULL,
    latency               bytea,
    PRIMARY KEY (pool_id, tenant_id, start_at, part)
);
CREATE INDEX occ_1d_by_time ON occ_1d USING brin (start_at);

-- Extra signals: 288 points of five minutes a row.
CREATE TABLE signal_5m (
    pool_id  int NOT NULL,
    signal   smallint NOT NULL,
    start_at timestamptz NOT NULL,
    part     int NOT NULL,
    points   bytea NOT NULL,
    PRIMARY KEY (pool_id, signal, start_at, part)
);

-- The last known values. fillfactor leaves room so that an update stays on its page.
CREATE TABLE occ_current (
    pool_id      int NOT NULL,
    tenant_id    int NOT NULL,
    at           timestamptz NOT NULL,
    duration_ms  int NOT NULL,
    capacity     int NOT NULL,
    planned_down int NOT NULL,
    occupied     int NOT NULL,
    reserved     int NOT NULL,
    rejections   bigint NOT NULL DEFAULT 0,
    latency_ms   real,
    PRIMARY KEY (pool_id, tenant_id)
) WITH (fillfactor = 50);
-- The pools without their tenants; its columns never change, so updates stay on their page.
CREATE INDEX occ_current_pools ON occ_current (pool_id) WHERE tenant_id = 0;

-- Newest sample of a pool, from which retention counts.
CREATE TABLE pool_newest (
    pool_id int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    at      timestamptz NOT NULL
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------- jobs
CREATE TABLE job_lease (
    job        text PRIMARY KEY,
    owner      uuid,
    epoch      bigint NOT NULL DEFAULT 0,
    expires_at timestamptz
);

CREATE TABLE job_run (
    run_id      uuid PRIMARY KEY,
    job         text NOT NULL,
    epoch       bigint NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    outcome     text CHECK (outcome IN ('done', 'nothing', 'failed')),
    detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX job_run_by_job ON job_run (job, started_at DESC);

-- ---------------------------------------------------------------- audit
-- Who changed what. Rows are added and never altered; the trigger holds even for the owner.
CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT hr_now(),
    actor    text NOT NULL,
    source   text NOT NULL CHECK (source IN ('page', 'api', 'cli', 'job')),
    action   text NOT NULL,
    object   text NOT NULL,          -- pool, tenant, quota, ...
    object_key text NOT NULL,
    before   jsonb,
    after    jsonb,
    reason   text NOT NULL DEFAULT ''
);
CREATE INDEX audit_by_object ON audit (object, object_key, audit_id DESC);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
