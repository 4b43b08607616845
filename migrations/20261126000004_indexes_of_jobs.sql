-- What each run of a job looks for, however many runs and findings are remembered.
CREATE INDEX job_run_nothing ON job_run (job) WHERE outcome = 'nothing';
CREATE INDEX finding_of_servers ON finding (kind, subject) WHERE pool_id IS NULL;
