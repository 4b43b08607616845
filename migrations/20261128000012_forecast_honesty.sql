-- How often what came stayed within what forecasts promised: alerts read it without the forecast.
ALTER TABLE forecast
    ADD COLUMN within_permille int CONSTRAINT forecast_within CHECK (within_permille BETWEEN 0 AND 1000), -- of 1,000 hours, within 0.95
    ADD COLUMN left_band boolean NOT NULL DEFAULT false; -- over a week or more, fewer than 0.92 or more than 0.98 of them
