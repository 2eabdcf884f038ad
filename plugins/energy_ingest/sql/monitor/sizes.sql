-- The size of the warehouse, what was archived in a day, and which share of the monitor's passes in a day was well.
-- A pass that did not take place was not well; one may be late by five minutes.
WITH pass AS (
  SELECT started_at, status = 'completed' AND details ->> 'status' <> 'critical' AS is_well
  FROM ledger.execution WHERE kind = 'monitoring' AND started_at <= %(now)s
), period AS (
  SELECT least(interval '24 hours', %(now)s - coalesce(min(started_at), %(now)s)) AS length FROM pass
)
SELECT pg_database_size(current_database())::float8,
       (SELECT coalesce(sum(response_bytes), 0)::float8 FROM ledger.import_job WHERE queued_at > %(now)s - interval '24 hours'),
       least(1, coalesce((SELECT count(*) FROM pass WHERE is_well AND started_at > %(now)s - interval '24 hours')
         / nullif(greatest(0, floor(extract(epoch FROM length - interval '5 minutes') / 900)), 0), 1))::float8
FROM period
