-- The ways of some claims through the server: every one whose caller asked for it, unusual ones, and a few of the others.
-- A row is written some time after its claim was answered, and is lost with a server that ends before: nothing is decided by it.
CREATE TABLE claim_trace (
    at        timestamptz NOT NULL,          -- when the request came
    claim     uuid NOT NULL,
    pool_id   int NOT NULL,
    tenant_id int NOT NULL,
    outcome   text NOT NULL,                 -- granted, queued, or the reason of the refusal
    took_us   bigint NOT NULL CHECK (took_us >= 0),
    parent    bytea,                         -- the caller's span (W3C trace context)
    steps     jsonb NOT NULL CONSTRAINT claim_trace_steps CHECK (jsonb_typeof(steps) = 'array')
) PARTITION BY RANGE (at);

CREATE INDEX claim_trace_by_claim ON claim_trace (claim);
