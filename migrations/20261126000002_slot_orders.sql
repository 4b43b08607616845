-- What operators told the owner of a pool to do. An order is committed with its line of the audit trail, by whichever server was
-- asked; the owner carries it out, and so does its successor if it ended before.
CREATE TABLE slot_order (
    order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id  int NOT NULL REFERENCES pool ON DELETE CASCADE,
    what     jsonb NOT NULL,
    actor    text NOT NULL,
    at       timestamptz NOT NULL DEFAULT hr_now(),
    done_at  timestamptz,
    affected bigint CONSTRAINT slot_order_affected CHECK (affected >= 0),   -- leases or slots that it concerned
    CONSTRAINT slot_order_done CHECK ((done_at IS NULL) = (affected IS NULL))
);

CREATE INDEX slot_order_open ON slot_order (pool_id, order_id) WHERE done_at IS NULL;
