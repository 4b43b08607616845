-- Turns of jobs: what is due is done once, also where the server that does it dies or stands still in the middle.
ALTER TABLE job_lease
    -- When the next run is due; null = it never ran.
    ADD COLUMN next_due      timestamptz,
    -- Since when it runs, and on which server; null = it does not.
    ADD COLUMN running_since timestamptz,
    ADD COLUMN server        text,
    -- Somebody wants it to run now.
    ADD COLUMN asked_at      timestamptz,
    ADD COLUMN asked_by      text;
ALTER TABLE job_run
    -- The turn that it was; null = it was asked for, or belongs to a job that runs all the time.
    ADD COLUMN due_at   timestamptz,
    ADD COLUMN asked_by text,
    ADD COLUMN server   text;

-- How far an import is with what it does at the moment, and that it was told to stop: whoever runs it sees it with its next piece.
ALTER TABLE import
    ADD COLUMN phase        text,
    ADD COLUMN phase_done   bigint,
    ADD COLUMN phase_total  bigint,
    ADD COLUMN progress_at  timestamptz,
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN cancelled_by text;
