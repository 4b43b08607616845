-- What an alert turned out to be, as somebody said when it was over: for the review of which rules are worth it.
-- It is that of the present end; an alert that comes back has none.
ALTER TABLE alert ADD COLUMN outcome text CONSTRAINT alert_outcome
    CHECK (outcome IN ('fixed', 'went-away', 'false-alarm', 'duplicate', 'no-action'));
