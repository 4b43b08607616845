-- Alerts: what is counted against promises, the rules, what fires and who took it on, who is told and how that went.

-- ---------------------------------------------------------------- counts
-- Counts of every indicator of a pool and its tenants since their birth, as of an instant on the minute: a window of any length
-- is the difference of two rows. Packed by the application (`domain::alert::tally`), with a
-- running hash of the slices, so that late ones are noticed.
CREATE TABLE sli_minute (
    pool_id int NOT NULL,
    at      timestamptz NOT NULL,
    counts  bytea NOT NULL,
    PRIMARY KEY (at, pool_id)
) PARTITION BY RANGE (at);

-- The same on the hour, for error budgets.
CREATE TABLE sli_hour (
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE,
    at      timestamptz NOT NULL,
    counts  bytea NOT NULL,
    PRIMARY KEY (pool_id, at)
);

-- Slices that were sent instead of reckoned from occupancy. A newer revision replaces; the same again changes nothing.
CREATE TABLE sli_slice (
    pool_id    int NOT NULL REFERENCES pool ON DELETE CASCADE,
    tenant_id  int NOT NULL,                 -- 0 = the pool as a whole
    sli        smallint NOT NULL,            -- `domain::alert::slo::Sli::number`
    at         timestamptz NOT NULL,         -- start of the slice
    source     text NOT NULL CONSTRAINT sli_slice_source CHECK (char_length(source) BETWEEN 1 AND 120),
    revision   bigint NOT NULL,
    bad        bigint NOT NULL CONSTRAINT sli_slice_bad CHECK (bad >= 0),
    total      bigint NOT NULL CONSTRAINT sli_slice_total CHECK (total >= 0),
    changed_at timestamptz NOT NULL DEFAULT hr_now(),
    PRIMARY KEY (pool_id, at, tenant_id, sli, source)
);
CREATE INDEX sli_slice_changed ON sli_slice (changed_at);

-- How far a pool was judged: one row each, so that no watermark is judged twice.
CREATE TABLE alert_mark (
    pool_id   int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    watermark timestamptz NOT NULL,          -- everything before was judged
    born_at   timestamptz NOT NULL,          -- its counts begin here
    seen_at   timestamptz                    -- end of the last minute that was observed
) WITH (fillfactor = 50);

-- The engine itself: its last round, for those who watch it.
CREATE TABLE alert_engine (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    watermark timestamptz,
    at        timestamptz,
    took_ms   int NOT NULL DEFAULT 0,
    pools     int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO alert_engine DEFAULT VALUES;

-- ---------------------------------------------------------------- promises and rules
-- What is promised, where it is not the default of its indicator. pool_id null = everywhere.
CREATE TABLE slo (
    slo_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id    int REFERENCES pool ON DELETE CASCADE,
    sli        text NOT NULL CONSTRAINT slo_sli CHECK (sli IN ('saturation', 'latency', 'leak', 'reclaim', 'waste', 'wait')),
    budget     text NOT NULL CONSTRAINT slo_budget CHECK (char_length(budget) <= 40), -- a fraction, `1/10000`
    version    int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT hr_now(),
    CONSTRAINT slo_once UNIQUE NULLS NOT DISTINCT (pool_id, sli)
);

CREATE TABLE alert_rule (
    rule_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL CONSTRAINT alert_rule_slug_unique UNIQUE
               CONSTRAINT alert_rule_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name       text NOT NULL CONSTRAINT alert_rule_name CHECK (char_length(name) BETWEEN 1 AND 120),
    -- `domain::alert::rule::Rule`
    definition jsonb NOT NULL CONSTRAINT alert_rule_form CHECK (jsonb_typeof(definition) = 'object'),
    mode       text NOT NULL DEFAULT 'live' CONSTRAINT alert_rule_mode CHECK (mode IN ('live', 'dry-run', 'off')),
    owner      text NOT NULL DEFAULT '' CONSTRAINT alert_rule_owner CHECK (char_length(owner) <= 120),
    runbook    text NOT NULL DEFAULT '' CONSTRAINT alert_rule_runbook CHECK (char_length(runbook) <= 2000),
    built_in   boolean NOT NULL DEFAULT false,
    version    int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT hr_now()
);

-- ---------------------------------------------------------------- what fires
CREATE TABLE alert (
    alert_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule        text NOT NULL,               -- slug
    pool_id     int REFERENCES pool ON DELETE CASCADE, -- null: it is about Headroom itself
    tenant_id   int NOT NULL DEFAULT 0,      -- 0 = the pool as a whole
    episode     int NOT NULL,
    condition   text NOT NULL CONSTRAINT alert_condition
                CHECK (condition IN ('inactive', 'pending', 'firing', 'frozen', 'resolved')),
    workflow    text NOT NULL CONSTRAINT alert_workflow CHECK (workflow IN ('open', 'acknowledged', 'snoozed', 'closed')),
    severity    text NOT NULL CONSTRAINT alert_severity CHECK (severity IN ('page', 'ticket')),
    critical    boolean NOT NULL,
    version     bigint NOT NULL,
    eval_seq    bigint NOT NULL DEFAULT 0,
    began_at    timestamptz NOT NULL,
    fired_at    timestamptz,
    resolved_at timestamptz,
    -- `domain::alert::episode::Alert`; the columns above are taken from it
    state       jsonb NOT NULL CONSTRAINT alert_state CHECK (jsonb_typeof(state) = 'object'),
    -- Values of the last judgement, for messages and pages
    facts       jsonb NOT NULL DEFAULT '{}' CONSTRAINT alert_facts CHECK (jsonb_typeof(facts) = 'object'),
    -- Told to nobody while this is set: a silence, or the alert that explains this one
    silence_id  bigint,
    inhibited_by bigint,
    inhibited_until timestamptz,             -- the source is over; told from here on if it still fires
    dry_run     boolean NOT NULL DEFAULT false,
    owner_id    text,                        -- of whoever has it, for lists
    tick_at     timestamptz                  -- the clock has something to do here
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX alert_open ON alert (rule, pool_id, tenant_id) NULLS NOT DISTINCT
    WHERE condition IN ('pending', 'firing', 'frozen');
CREATE INDEX alert_by_key ON alert (pool_id, rule, tenant_id, alert_id DESC);
CREATE INDEX alert_by_time ON alert (fired_at DESC) WHERE fired_at IS NOT NULL;
CREATE INDEX alert_ticks ON alert (tick_at) WHERE tick_at IS NOT NULL;

-- What happened to an alert, never altered.
CREATE TABLE alert_event (
    alert_event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES alert ON DELETE CASCADE,
    at       timestamptz NOT NULL DEFAULT hr_now(),
    what     text NOT NULL CONSTRAINT alert_event_what CHECK (char_length(what) BETWEEN 1 AND 40),
    actor_id text,                           -- null: by itself
    actor    text NOT NULL DEFAULT '',
    note     text NOT NULL DEFAULT '' CONSTRAINT alert_event_note CHECK (char_length(note) <= 2000),
    version  bigint NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alert_event_by_alert ON alert_event (alert_id, alert_event_id);
CREATE INDEX alert_event_by_time ON alert_event (at);

-- Deeds that carried a key: asked again, the same is answered.
CREATE TABLE alert_deed (
    actor_id text NOT NULL,
    key      text NOT NULL CONSTRAINT alert_deed_key CHECK (char_length(key) BETWEEN 1 AND 200),
    alert_id bigint NOT NULL REFERENCES alert ON DELETE CASCADE,
    deed     text NOT NULL,
    at       timestamptz NOT NULL DEFAULT hr_now(),
    PRIMARY KEY (actor_id, key)
);

-- Steps of a runbook that somebody did for an alert.
CREATE TABLE alert_step (
    alert_id bigint NOT NULL REFERENCES alert ON DELETE CASCADE,
    step     int NOT NULL CONSTRAINT alert_step_number CHECK (step BETWEEN 1 AND 200),
    actor    text NOT NULL,
    at       timestamptz NOT NULL DEFAULT hr_now(),
    PRIMARY KEY (alert_id, step)
);

-- ---------------------------------------------------------------- silences and maintenance
CREATE TABLE silence (
    silence_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL DEFAULT 'silence' CONSTRAINT silence_kind CHECK (kind IN ('silence', 'maintenance')),
    -- [{name, op, value}]
    matchers   jsonb NOT NULL CONSTRAINT silence_matchers CHECK (jsonb_typeof(matchers) = 'array'),
    from_at    timestamptz NOT NULL,
    until_at   timestamptz NOT NULL,
    note       text NOT NULL CONSTRAINT silence_note CHECK (char_length(note) BETWEEN 1 AND 2000),
    author_id  text NOT NULL,
    author     text NOT NULL,
    expire_on_resolve boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT hr_now(),
    reminded_at timestamptz,
    matched_at timestamptz,                  -- when it last hid something
    ended_at   timestamptz,                  -- ended early, or its end was dealt with
    ended_by   text,
    version    int NOT NULL DEFAULT 1,
    CONSTRAINT silence_range CHECK (from_at < until_at)
);
CREATE INDEX silence_by_end ON silence (until_at);

-- ---------------------------------------------------------------- who is on call
CREATE TABLE oncall_schedule (
    schedule_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL CONSTRAINT oncall_schedule_slug_unique UNIQUE
               CONSTRAINT oncall_schedule_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name       text NOT NULL CONSTRAINT oncall_schedule_name CHECK (char_length(name) BETWEEN 1 AND 120),
    zone       text NOT NULL DEFAULT 'UTC',
    -- `domain::alert::rota::Rota`
    rota       jsonb NOT NULL CONSTRAINT oncall_schedule_rota CHECK (jsonb_typeof(rota) = 'object'),
    version    int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT hr_now()
);

CREATE TABLE escalation_policy (
    policy_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL CONSTRAINT escalation_policy_slug_unique UNIQUE
               CONSTRAINT escalation_policy_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name       text NOT NULL CONSTRAINT escalation_policy_name CHECK (char_length(name) BETWEEN 1 AND 120),
    -- `domain::alert::rota::Policy`: steps with times and targets, rounds
    policy     jsonb NOT NULL CONSTRAINT escalation_policy_form CHECK (jsonb_typeof(policy) = 'object'),
    owners     text[] NOT NULL DEFAULT '{}', -- of rules and pools that use it; none = everybody else
    version    int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT hr_now()
);

-- ---------------------------------------------------------------- who is told
CREATE TABLE receiver (
    receiver_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL CONSTRAINT receiver_slug_unique UNIQUE
               CONSTRAINT receiver_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name       text NOT NULL CONSTRAINT receiver_name CHECK (char_length(name) BETWEEN 1 AND 120),
    kind       text NOT NULL CONSTRAINT receiver_kind
               CHECK (kind IN ('alertmanager-webhook', 'pagerduty', 'slack', 'webhook', 'email', 'alertmanager', 'watchdog')),
    settings   jsonb NOT NULL CONSTRAINT receiver_settings CHECK (jsonb_typeof(settings) = 'object'),
    lanes      text[] NOT NULL DEFAULT '{page,ticket}',
    owners     text[] NOT NULL DEFAULT '{}', -- only alerts of these owners; none = all
    account_id int REFERENCES account ON DELETE CASCADE, -- a person's own; told when that person is asked
    is_failover boolean NOT NULL DEFAULT false, -- told when another one cannot be reached, or when nobody is on call
    enabled    boolean NOT NULL DEFAULT true,
    failures   int NOT NULL DEFAULT 0,       -- in a row
    last_error text,
    last_ok_at timestamptz,
    next_at    timestamptz,                  -- not more than one message a second to a channel
    version    int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT hr_now()
);

-- What is to be told: written with the change that it tells of.
CREATE TABLE notification (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id    bigint REFERENCES alert ON DELETE CASCADE,
    receiver_id int NOT NULL REFERENCES receiver ON DELETE CASCADE,
    message     text NOT NULL,               -- `domain::alert::episode::Message`, or `test`
    key         text NOT NULL CONSTRAINT notification_once UNIQUE,
    dedup       text NOT NULL,               -- messages of one thing to one receiver keep their order
    lane        text NOT NULL,
    body        jsonb NOT NULL,              -- what was known when it was written
    created_at  timestamptz NOT NULL DEFAULT hr_now(),
    due_at      timestamptz NOT NULL DEFAULT hr_now(),
    state       text NOT NULL DEFAULT 'waiting' CONSTRAINT notification_state
                CHECK (state IN ('waiting', 'sent', 'dead', 'dropped')),
    attempts    int NOT NULL DEFAULT 0,
    lease_until timestamptz,
    sent_at     timestamptz,
    last_status int,
    last_error  text,
    late        boolean NOT NULL DEFAULT false
);
CREATE INDEX notification_waiting ON notification (receiver_id, dedup, notification_id) WHERE state = 'waiting';
CREATE INDEX notification_dead ON notification (notification_id) WHERE state = 'dead';
CREATE INDEX notification_by_alert ON notification (alert_id, notification_id);

-- ---------------------------------------------------------------- what to do
CREATE TABLE runbook (
    slug       text PRIMARY KEY CONSTRAINT runbook_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    title      text NOT NULL CONSTRAINT runbook_title CHECK (char_length(title) BETWEEN 1 AND 120),
    version    int NOT NULL DEFAULT 1,
    tested_at  timestamptz,
    tested_by  text,
    updated_at timestamptz NOT NULL DEFAULT hr_now()
);

CREATE TABLE runbook_version (
    slug       text NOT NULL REFERENCES runbook ON DELETE CASCADE,
    version    int NOT NULL,
    body       text NOT NULL CONSTRAINT runbook_body CHECK (char_length(body) BETWEEN 1 AND 40000),
    author     text NOT NULL,
    note       text NOT NULL DEFAULT '' CHECK (char_length(note) <= 500),
    at         timestamptz NOT NULL DEFAULT hr_now(),
    PRIMARY KEY (slug, version)
);

-- Whether an acknowledgement must say something.
ALTER TABLE organisation ADD COLUMN ack_needs_note boolean NOT NULL DEFAULT false;

-- Counted in the same minute: what indicators need of it (`headroom_store::live::MinuteCounts`). Rows written before have none.
ALTER TABLE claim_minute ADD COLUMN counts bigint[] NOT NULL DEFAULT '{}';
