-- Forecasts have one more level. What was made with nine is made anew: each pool's forecasts of three weeks, from what was known then.
DELETE FROM forecast_hour;
DELETE FROM forecast;
