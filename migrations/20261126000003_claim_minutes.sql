-- How long claims took to be answered, minute by minute, as the owner of the pool measured it: an event is written by the statement
-- whose end is the answer, and cannot know it. Two owners of one minute each have a row. A minute that was under way when its
-- owner ended is lost.
CREATE TABLE claim_minute (
    pool_id int NOT NULL REFERENCES pool ON DELETE CASCADE,
    minute  timestamptz NOT NULL,
    epoch   bigint NOT NULL,                 -- of the owner
    sketch  bytea NOT NULL,                  -- of milliseconds (domain::sketch)
    PRIMARY KEY (pool_id, minute, epoch)
);
