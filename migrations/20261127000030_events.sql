-- The calendar: what is known to come and changes the demand of pools, written by people or taken from calendars of other programs.
CREATE TABLE calendar_event (
    event_id   uuid PRIMARY KEY,
    pool_id    int REFERENCES pool ON DELETE CASCADE,   -- null = all pools
    start_at   timestamptz NOT NULL,
    end_at     timestamptz NOT NULL,
    zone       text NOT NULL CONSTRAINT calendar_event_zone CHECK (char_length(zone) BETWEEN 1 AND 64),
    tag        text NOT NULL CONSTRAINT calendar_event_tag CHECK (tag ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    title      text NOT NULL CONSTRAINT calendar_event_title CHECK (char_length(title) BETWEEN 1 AND 120 AND title !~ '[[:cntrl:]]'),
    effect     text NOT NULL,
    slots      int,                                     -- with a floor
    percent    int,                                     -- with a factor: in hundredths of the usual demand
    weekday    smallint,                                -- like a weekday: 1 = Monday
    -- Of an imported one: what its calendar calls it, when that occurrence of it was to begin, and the file it came from.
    uid        text CONSTRAINT calendar_event_uid CHECK (char_length(uid) BETWEEN 1 AND 500),
    occurrence timestamptz,
    file       text CONSTRAINT calendar_event_file CHECK (char_length(file) BETWEEN 1 AND 200),
    author     text NOT NULL,                           -- who wrote it, changed it last, or took it from a file
    version    int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT hr_now(),
    updated_at timestamptz NOT NULL DEFAULT hr_now(),
    CONSTRAINT calendar_event_times CHECK (end_at > start_at AND end_at - start_at <= interval '8784 hours'),
    CONSTRAINT calendar_event_effect CHECK (
        CASE effect
            WHEN 'floor' THEN slots BETWEEN 1 AND 10000000 AND percent IS NULL AND weekday IS NULL
            WHEN 'factor' THEN percent BETWEEN 0 AND 10000 AND slots IS NULL AND weekday IS NULL
            WHEN 'like_weekday' THEN weekday BETWEEN 1 AND 7 AND slots IS NULL AND percent IS NULL
            WHEN 'exclude' THEN slots IS NULL AND percent IS NULL AND weekday IS NULL
            WHEN 'learn' THEN slots IS NULL AND percent IS NULL AND weekday IS NULL
            ELSE false
        END IS TRUE),
    CONSTRAINT calendar_event_source CHECK (num_nulls(uid, occurrence, file) IN (0, 3))
);
-- One row for each occurrence that a calendar has of an event, of each pool it was imported for.
CREATE UNIQUE INDEX calendar_event_once ON calendar_event (uid, occurrence, coalesce(pool_id, 0)) WHERE uid IS NOT NULL;
CREATE INDEX calendar_event_start ON calendar_event (start_at);
CREATE INDEX calendar_event_of_pool ON calendar_event (pool_id, start_at);

-- Calendars that somebody is importing: kept between the upload and the review for their owner only, for a day.
CREATE TABLE calendar_import (
    import_id  uuid PRIMARY KEY,
    owner_id   uuid NOT NULL,
    file       text NOT NULL CONSTRAINT calendar_import_file CHECK (char_length(file) BETWEEN 1 AND 200),
    content    bytea NOT NULL CONSTRAINT calendar_import_size CHECK (octet_length(content) <= 1048576),
    -- Of which pool, and what becomes of tags and effects.
    mapping    jsonb NOT NULL CONSTRAINT calendar_import_mapping CHECK (jsonb_typeof(mapping) = 'object'),
    expires_at timestamptz NOT NULL
);
CREATE INDEX calendar_import_of ON calendar_import (owner_id, expires_at);
