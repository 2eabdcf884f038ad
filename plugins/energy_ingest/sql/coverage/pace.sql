-- Windows that ended lately, and attempts under way.
SELECT dataset, count(DISTINCT (scope, window_start)) FILTER (WHERE completed_at > now() - %(span)s AND status = 'completed'),
       count(*) FILTER (WHERE status = 'processing')
FROM ledger.import_job
WHERE dataset = ANY(%(datasets)s) AND window_start IS NOT NULL
  AND (queued_at > now() - interval '2 hours' OR status = 'processing')
GROUP BY dataset
