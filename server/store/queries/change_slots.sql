-- Question: which of these changes of slots can be made? Those that can are made, each with its event.
-- Units: times to live and holds in milliseconds, everything on the database's clock.
-- Rows: one for each pool that is still owned in the epoch given (place -1), one for each change that was made.
-- Index: the primary keys of pool_owner and slot; updates stay on their page (no index on what changes).
WITH clock AS MATERIALIZED (SELECT hr_now() AS at),
-- The lock makes a takeover wait for this statement, and this statement see a takeover.
own AS MATERIALIZED (
    SELECT o.pool_id
    FROM pool_owner o JOIN unnest($1::int[], $2::bigint[]) AS w (pool_id, epoch) USING (pool_id)
    WHERE o.epoch = w.epoch
    ORDER BY o.pool_id
    FOR SHARE OF o
),
keys AS MATERIALIZED (
    SELECT k.* FROM unnest($26::int[], $27::text[], $28::uuid[], $29::bytea[]) AS k (pool_id, key, claim, body_hash)
    JOIN own USING (pool_id)
),
-- A claim under a key that was used before is not made: it was made then. The others of the statement have nothing to do with it.
taken AS MATERIALIZED (
    SELECT k.claim FROM keys k JOIN claim_key c USING (pool_id, key)
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM unnest($3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::smallint[], $8::smallint[], $9::uuid[], $10::int[],
                $11::smallint[], $12::text[], $13::bigint[], $14::bigint[], $15::smallint[], $16::text[], $17::text[],
                $18::int[], $19::bigint[], $20::int[], $21::smallint[], $22::text[], $23::int[], $24::text[], $25::bytea[])
        WITH ORDINALITY AS a (place, pool_id, slot_id, expect, change, service, claim, tenant_id, priority, holder, ttl_ms,
                              hold_ms, kind, actor, reason, wait_ms, held_ms, work_ms, outcome, node, shard, cohort, trace, nr)
    JOIN own USING (pool_id)
    WHERE a.change <> 1 OR a.claim NOT IN (SELECT claim FROM taken)
),
made AS (
    UPDATE slot s SET
        fence      = s.fence + (a.change IN (1, 2, 4))::int,
        claim      = CASE WHEN a.change = 1 THEN a.claim WHEN a.change IN (2, 4) THEN NULL ELSE s.claim END,
        tenant_id  = CASE WHEN a.change = 1 THEN a.tenant_id WHEN a.change IN (2, 4) THEN NULL ELSE s.tenant_id END,
        priority   = CASE WHEN a.change = 1 THEN a.priority WHEN a.change IN (2, 4) THEN NULL ELSE s.priority END,
        holder     = CASE WHEN a.change = 1 THEN a.holder WHEN a.change IN (2, 4) THEN NULL ELSE s.holder END,
        claimed_at = CASE WHEN a.change = 1 THEN clock.at WHEN a.change IN (2, 4) THEN NULL ELSE s.claimed_at END,
        ends_at    = CASE WHEN a.change = 1 THEN clock.at + a.hold_ms * interval '1 millisecond'
                          WHEN a.change IN (2, 4) THEN NULL ELSE s.ends_at END,
        expires_at = CASE WHEN a.change = 1 THEN clock.at + LEAST(a.ttl_ms, a.hold_ms) * interval '1 millisecond'
                          WHEN a.change = 3 THEN LEAST(clock.at + a.ttl_ms * interval '1 millisecond', s.ends_at)
                          WHEN a.change IN (2, 4) THEN NULL ELSE s.expires_at END,
        service    = a.service,
        node       = COALESCE(a.node, s.node)
    FROM asked a, clock
    WHERE a.change > 0 AND s.slot_id = a.slot_id AND s.fence = a.expect
      AND CASE a.change
              WHEN 1 THEN s.claim IS NULL AND s.service = 0
              WHEN 2 THEN s.claim = a.claim
              WHEN 3 THEN s.claim = a.claim AND s.expires_at > clock.at
              WHEN 4 THEN s.claim = a.claim AND s.expires_at <= clock.at
              ELSE true
          END
    RETURNING a.nr, a.place, a.pool_id, a.slot_id, a.change, s.fence, s.expires_at, a.kind, a.claim, a.tenant_id, a.priority, a.holder,
              a.actor, a.reason, a.wait_ms, a.held_ms, a.work_ms, a.outcome, a.node, a.shard, a.cohort, a.trace
),
-- What happened: the changes that were made, and what changes nothing. Joining what was made to what was asked would compare each
-- with each, because the planner takes both for short.
happened AS (
    SELECT nr, slot_id, pool_id, fence, kind, claim, tenant_id, priority, holder, actor, reason, wait_ms, held_ms, work_ms, outcome,
           node, shard, cohort, trace
    FROM made
    UNION ALL
    SELECT nr, slot_id, pool_id, NULL, kind, claim, tenant_id, priority, holder, actor, reason, wait_ms, held_ms, work_ms, outcome,
           node, shard, cohort, trace
    FROM asked WHERE change < 0
),
told AS (
    INSERT INTO slot_event (at, pool_id, kind, slot, fence, claim, tenant_id, priority, holder, actor, reason, wait_ms, held_ms,
                            work_ms, outcome, node, shard, cohort, trace)
    SELECT clock.at, h.pool_id, h.kind, NULLIF(h.slot_id & 16777215, 0), h.fence, h.claim, h.tenant_id, h.priority,
           NULLIF(h.holder, ''), h.actor, h.reason, h.wait_ms, h.held_ms, h.work_ms, h.outcome, h.node, h.shard, h.cohort, h.trace
    FROM happened h, clock
    ORDER BY h.nr
),
kept AS (
    INSERT INTO claim_key (pool_id, key, claim, body_hash, at)
    SELECT k.pool_id, k.key, k.claim, k.body_hash, clock.at
    FROM keys k, clock
    WHERE k.claim IN (SELECT claim FROM made WHERE change = 1)
),
-- A claim of which some slots could be had and others not.
partial AS (
    SELECT FROM (SELECT claim, count(*) AS slots FROM asked WHERE change = 1 GROUP BY claim) AS wanted
    JOIN (SELECT claim, count(*) AS slots FROM made WHERE change = 1 GROUP BY claim) AS got USING (claim)
    WHERE $30 AND got.slots < wanted.slots
)
SELECT own.pool_id, -1 AS place, NULL::timestamptz AS expires_at, clock.at, hr_whole(NOT EXISTS (SELECT FROM partial)) AS whole
FROM own, clock
UNION ALL
SELECT made.pool_id, made.place, made.expires_at, clock.at, NULL FROM made, clock
