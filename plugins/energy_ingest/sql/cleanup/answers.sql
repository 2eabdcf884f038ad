-- Archived answers that nobody needs any more: for each of their windows, which are complete, a newer answer is archived.
-- The bytes of one answer may have been retrieved several times; all of these must be old, and ended.
SELECT j.archive_path FROM ledger.import_job AS j
WHERE j.archive_path IS NOT NULL AND j.window_start IS NOT NULL
GROUP BY j.archive_path
HAVING bool_and(j.status IN ('completed', 'failed', 'cancelled') AND coalesce(j.completed_at, j.queued_at) < %(before)s
  AND EXISTS (
    SELECT FROM ledger.import_job AS newer
    WHERE (newer.dataset, newer.scope, newer.window_start) = (j.dataset, j.scope, j.window_start)
      AND newer.status = 'completed' AND newer.archive_path <> j.archive_path AND newer.job_id > j.job_id)
  AND EXISTS (
    SELECT FROM ledger.window AS w
    WHERE (w.dataset, w.scope, w.window_start) = (j.dataset, j.scope, j.window_start) AND w.state = 'complete')
  AND NOT EXISTS (SELECT FROM ledger.quarantine AS q WHERE q.job_id = j.job_id AND q.resolved_at IS NULL))
ORDER BY j.archive_path
