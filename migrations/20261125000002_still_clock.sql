-- A test may also hold the clock still, so that what it does happens at an instant to the millisecond. The function keeps its
-- identity: defaults of columns follow.
ALTER TABLE test_clock ADD COLUMN still_at timestamptz;

CREATE OR REPLACE FUNCTION hr_now() RETURNS timestamptz
    LANGUAGE sql VOLATILE
    RETURN COALESCE((SELECT still_at FROM test_clock),
                    clock_timestamp() + COALESCE((SELECT offset_ms FROM test_clock), 0) * interval '1 millisecond');
