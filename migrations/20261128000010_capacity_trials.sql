-- Capacity that was taken away by a plan is on trial for a while: if it makes claims be rejected, it comes back.

CREATE TABLE capacity_trial (
    pool_id       int NOT NULL REFERENCES pool ON DELETE CASCADE,
    from_at       timestamptz NOT NULL,    -- when the change holds
    until_at      timestamptz NOT NULL,    -- when the trial is over
    before        int NOT NULL,            -- configured slots before the change
    after         int NOT NULL,            -- and after it
    most_rejected int NOT NULL CONSTRAINT capacity_trial_most CHECK (most_rejected BETWEEN 1 AND 10000), -- of 10,000 claims
    outcome       text NOT NULL DEFAULT 'running' CONSTRAINT capacity_trial_outcome
                  CHECK (outcome IN ('running', 'kept', 'undone', 'overtaken')),
    note          text NOT NULL DEFAULT '' CONSTRAINT capacity_trial_note CHECK (char_length(note) <= 500),
    ended_at      timestamptz,
    PRIMARY KEY (pool_id, from_at),
    CONSTRAINT capacity_trial_shrinks CHECK (after >= 0 AND after < before),
    CONSTRAINT capacity_trial_order CHECK (until_at > from_at)
);
-- One at a time.
CREATE UNIQUE INDEX capacity_trial_running ON capacity_trial (pool_id) WHERE outcome = 'running';
