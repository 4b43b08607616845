-- What is foreseen of each pool, how right it was, what to do about it, and what that saved.

-- The newest forecast of a pool, with what its rules remember. One row a pool, written once for each complete hour.
CREATE TABLE forecast (
    pool_id   int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    hour      timestamptz NOT NULL,       -- the running hour it was made in: the first that it foresees
    made_at   timestamptz NOT NULL DEFAULT hr_now(),
    seen_from timestamptz NOT NULL,       -- forecasts for hours before this were made afterwards, each from what was known before it
    memory    json NOT NULL,              -- headroom_domain::forecast::online::Memory
    said      json NOT NULL,              -- what pages show: outlook, accuracy, days, exhaustion
    is_known  boolean NOT NULL,           -- enough history to say when it is full
    p50_days  int CONSTRAINT forecast_p50 CHECK (p50_days >= 0),
    p90_days  int CONSTRAINT forecast_p90 CHECK (p90_days >= 0),  -- in one of ten cases the pool is full so soon
    lead_median double precision,         -- of the hour that plans rest on
    lead_p95  double precision,
    recommended int,                      -- capacity that the plan has for now
    full_at   timestamptz                 -- the first hour of those foreseen in which one of ten futures wants more than there is
);
CREATE INDEX forecast_by_hour ON forecast (hour);

-- What was foreseen for an hour at the lead of a plan. What came is in the history.
CREATE TABLE forecast_hour (
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE,
    hour    timestamptz NOT NULL,
    levels  double precision[] NOT NULL,  -- quantiles in the order of headroom_domain::forecast::online::LEVELS
    PRIMARY KEY (pool_id, hour)
);
CREATE INDEX forecast_hour_by_hour ON forecast_hour (hour);

-- How a pool is scaled.
CREATE TABLE scaling_policy (
    pool_id      int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    version      int NOT NULL DEFAULT 1,
    mode         text NOT NULL CONSTRAINT scaling_policy_mode CHECK (mode IN ('shadow', 'recommend', 'apply')),
    settings     jsonb NOT NULL,
    ignore_until timestamptz,             -- recommendations are not shown as open until then
    ignore_why   text NOT NULL DEFAULT '' CONSTRAINT scaling_policy_why CHECK (char_length(ignore_why) <= 500)
);

-- Which rule a pool uses on a day, and why.
CREATE TABLE scaling_choice (
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE,
    day     date NOT NULL,                -- UTC
    choice  json NOT NULL,                -- headroom_domain::scaling::Choice
    PRIMARY KEY (pool_id, day)
);

-- What a day took: in fact, and by three rules, on the same minutes. Slot-minutes are whole numbers, so that they add up.
CREATE TABLE scaling_ledger (
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE,
    day     date NOT NULL,                -- UTC
    lines   json NOT NULL,                -- headroom_domain::scaling::Ledger
    PRIMARY KEY (pool_id, day)
);

-- Each decision: what was to be done, from what, and what became of it.
CREATE TABLE scaling_decision (
    pool_id  int NOT NULL REFERENCES pool ON DELETE CASCADE,
    at       timestamptz NOT NULL,        -- the minute it was made for: one decision a minute
    mode     text NOT NULL,
    before   int NOT NULL,                -- capacity then
    wanted   int NOT NULL,
    decider  text NOT NULL,
    reason   text NOT NULL,
    inputs   json NOT NULL,
    outcome  text NOT NULL CONSTRAINT scaling_decision_outcome
             CHECK (outcome IN ('shadow', 'recommended', 'pending', 'applied', 'refused')),
    note     text NOT NULL DEFAULT '',
    PRIMARY KEY (pool_id, at)
);
CREATE INDEX scaling_decision_by_at ON scaling_decision (at);
CREATE INDEX scaling_decision_pending ON scaling_decision (pool_id) WHERE outcome = 'pending';
