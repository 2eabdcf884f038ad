-- Seconds of an attempt that brought rows, in a day and in the week before.
SELECT dataset,
       coalesce(avg(seconds) FILTER (WHERE is_recent), 0)::float8, count(*) FILTER (WHERE is_recent)::integer,
       coalesce(avg(seconds) FILTER (WHERE NOT is_recent), 0)::float8, count(*) FILTER (WHERE NOT is_recent)::integer
FROM (
  SELECT dataset, extract(epoch FROM duration) AS seconds, queued_at > %(now)s - interval '24 hours' AS is_recent
  FROM ledger.import_job
  WHERE queued_at > %(now)s - interval '8 days' AND status = 'completed' AND total_rows > 0 AND import_type <> 'replay'
) AS attempt
GROUP BY dataset
