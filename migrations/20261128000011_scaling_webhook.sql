-- Programs that scale what is outside are told what capacity a pool is to have.
ALTER TABLE receiver DROP CONSTRAINT receiver_kind;
ALTER TABLE receiver ADD CONSTRAINT receiver_kind CHECK (kind IN ('alertmanager-webhook', 'pagerduty', 'slack', 'webhook', 'email',
    'alertmanager', 'watchdog', 'scaling-webhook'));
