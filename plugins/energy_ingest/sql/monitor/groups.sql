-- What was tried in a day: each window and each file once, by its last attempt; then what waits to be tried now.
WITH attempt AS (
  SELECT job_id, dataset, scope, coalesce(window_start::text, job_id::text) AS item, inserted_rows + revised_rows AS rows,
         retry_count, status = 'failed' AND error_type IS DISTINCT FROM 'NotYetPublished' AS has_failed, status, queued_at,
         completed_at
  FROM ledger.import_job
  WHERE queued_at > %(now)s - interval '24 hours' AND status IN ('completed', 'failed') AND import_type <> 'replay'
    AND NOT dry_run
), item AS (
  SELECT DISTINCT ON (dataset, scope, item) dataset, has_failed, queued_at, completed_at FROM attempt
  ORDER BY dataset, scope, item, job_id DESC
), tried AS (
  SELECT dataset, count(*) FILTER (WHERE NOT has_failed) AS completed, count(*) FILTER (WHERE has_failed) AS failed,
         min(queued_at) FILTER (WHERE has_failed) AS failing_since,
         max(completed_at) FILTER (WHERE NOT has_failed) AS last_good
  FROM item GROUP BY dataset
), effort AS (
  SELECT dataset, count(*) + sum(retry_count) AS attempts, sum(retry_count) + count(*) FILTER (WHERE has_failed) AS failures,
         sum(rows) AS rows
  FROM attempt GROUP BY dataset
), waiting AS (
  SELECT dataset, count(*) AS waiting, min(since) AS waiting_since FROM (
    SELECT dataset, queued_at AS since FROM ledger.import_job WHERE status = 'queued' AND NOT dry_run
    UNION ALL
    SELECT dataset, next_due_at FROM ledger.window
    WHERE next_due_at <= %(now)s AND state IN ('pending', 'partial', 'failed')
  ) AS queue GROUP BY dataset
)
SELECT dataset, coalesce(completed, 0)::integer, coalesce(failed, 0)::integer, coalesce(attempts, 0)::integer,
       greatest(coalesce(failures - failed, 0), 0)::integer, coalesce(rows, 0)::bigint, coalesce(waiting, 0)::integer,
       failing_since, waiting_since, last_good
FROM tried JOIN effort USING (dataset) FULL JOIN waiting USING (dataset)
