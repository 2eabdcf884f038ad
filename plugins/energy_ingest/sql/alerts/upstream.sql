-- How the last hour went with an upstream: failures that a later attempt may cure, since the last answer of any kind.
-- Whatever was answered, were it wrong, shows that somebody is there.
WITH recent AS (
  SELECT dataset, scope, window_start, completed_at, started_at, last_error,
         status = 'failed' AND error_type IS NOT DISTINCT FROM 'Retryable' AS is_silent
  FROM ledger.import_job
  WHERE dataset = ANY(%(datasets)s) AND status IN ('completed', 'failed') AND import_type <> 'replay'
    AND queued_at > %(now)s - interval '25 hours'
), answered AS (SELECT coalesce(max(completed_at), '-infinity') AS at FROM recent WHERE NOT is_silent)
SELECT count(*)::integer, count(DISTINCT (dataset, scope, window_start))::integer, count(DISTINCT dataset)::integer,
       min(started_at), max(completed_at), (array_agg(last_error ORDER BY completed_at DESC))[1],
       (SELECT max(completed_at) FROM ledger.import_job
        WHERE dataset = ANY(%(datasets)s) AND status = 'completed' AND import_type <> 'replay')
FROM recent, answered WHERE is_silent AND completed_at > answered.at
