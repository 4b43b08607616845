-- Reports that are kept as they were said: what closes is never written again, and a correction is another version with its reason.

CREATE TABLE report (
    kind        text NOT NULL CONSTRAINT report_kind CHECK (kind IN ('waste', 'weekly', 'quarterly', 'incident')),
    -- 2026-11, 2026-W47, 2026-Q4, the number of an alert.
    period      text NOT NULL CONSTRAINT report_period CHECK (period ~ '^[0-9A-Za-z-]{1,40}$'),
    version     int NOT NULL CONSTRAINT report_version CHECK (version >= 1),
    closed_at   timestamptz NOT NULL DEFAULT hr_now(),
    actor       text NOT NULL,
    note        text NOT NULL DEFAULT '' CONSTRAINT report_note CHECK (char_length(note) <= 500),
    title       text NOT NULL,
    -- What a list of reports shows of it: minor units of the currency.
    total_minor bigint,
    currency    text,
    -- The figures as text, byte for byte what the checksum is of.
    figures     text NOT NULL CONSTRAINT report_size CHECK (octet_length(figures) BETWEEN 2 AND 50000000),
    checksum    text NOT NULL CONSTRAINT report_checksum CHECK (checksum = encode(sha256(convert_to(figures, 'UTF8')), 'hex')),
    PRIMARY KEY (kind, period, version),
    CONSTRAINT report_correction CHECK (version = 1 OR note <> '')
);

CREATE FUNCTION report_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'reports are frozen; a correction is a new version';
END $$;
CREATE TRIGGER report_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON report
    FOR EACH STATEMENT EXECUTE FUNCTION report_is_frozen();

-- What a slot costs for an hour without a reservation, where that is another price: millionths of the organisation's currency.
CREATE TABLE elastic_price (
    pool_id          int PRIMARY KEY REFERENCES pool ON DELETE CASCADE,
    unit_cost_micros bigint NOT NULL CONSTRAINT elastic_price_range CHECK (unit_cost_micros BETWEEN 0 AND 1000000000000)
);

-- Whether somebody wants a letter when a report closes.
ALTER TABLE account ADD COLUMN report_letters boolean NOT NULL DEFAULT false;
