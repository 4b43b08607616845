-- Game days as people write them down: what was tried on which pools, what was broken and how soon it was found, what happened, and
-- what is to follow from it.

CREATE TABLE game_day (
    game_day_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    held_on        date NOT NULL CONSTRAINT game_day_held_on CHECK (held_on BETWEEN '1970-01-01' AND '2199-12-31'),
    title          text NOT NULL CONSTRAINT game_day_title CHECK (char_length(title) BETWEEN 1 AND 120),
    run_by         text NOT NULL CONSTRAINT game_day_run_by CHECK (char_length(run_by) BETWEEN 1 AND 120),
    tried          text NOT NULL CONSTRAINT game_day_tried CHECK (char_length(tried) BETWEEN 1 AND 1000),
    happened       text NOT NULL CONSTRAINT game_day_happened CHECK (char_length(happened) BETWEEN 1 AND 1000),
    follow_ups     text NOT NULL DEFAULT '' CONSTRAINT game_day_follow_ups CHECK (char_length(follow_ups) <= 1000),
    -- A list of {what, pool, found, after_ms}: what was broken, and whether and how soon that was found.
    breakages      jsonb NOT NULL DEFAULT '[]' CONSTRAINT game_day_breakages CHECK (jsonb_typeof(breakages) = 'array'),
    -- What was found though nothing was broken; null = nobody counted.
    false_findings int CONSTRAINT game_day_false_findings CHECK (false_findings >= 0),
    author         text NOT NULL,
    version        int NOT NULL DEFAULT 1 CONSTRAINT game_day_version CHECK (version >= 1),
    written_at     timestamptz NOT NULL DEFAULT hr_now()
);
CREATE INDEX game_day_by_date ON game_day (held_on DESC, game_day_id DESC);

-- Which pools it was about; none = none in particular.
CREATE TABLE game_day_pool (
    game_day_id bigint NOT NULL REFERENCES game_day ON DELETE CASCADE,
    pool_id     int NOT NULL REFERENCES pool ON DELETE CASCADE,
    PRIMARY KEY (game_day_id, pool_id)
);
CREATE INDEX game_day_pool_by_pool ON game_day_pool (pool_id);
