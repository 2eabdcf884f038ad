-- Attempts that ended and left nothing: failed, cancelled and dry ones, and re-reads without a change. What brought rows
-- is the lineage of these; the newest answer of a window decides whether a later one may revise, and that of a settlement
-- run is what confirmed its values; a failed file is still there; a file that was imported is known by its bytes. None
-- of these goes, nor whatever anything else names; nor, where answers expire, the last that names one: it would stay for ever.
DELETE FROM ledger.import_job AS j
WHERE coalesce(j.completed_at, j.queued_at) < %(cutoff)s
  AND j.status IN ('completed', 'failed', 'cancelled')
  AND j.inserted_rows + j.revised_rows = 0 AND NOT j.influx_pending
  AND (j.window_start IS NOT NULL AND (j.status <> 'completed' OR EXISTS (
         SELECT FROM ledger.import_job AS newer
         WHERE (newer.dataset, newer.scope, newer.window_start) = (j.dataset, j.scope, j.window_start)
           AND newer.status = 'completed' AND newer.retrieved_at > j.retrieved_at
           AND newer.source_version IS NOT DISTINCT FROM j.source_version))
       AND EXISTS (
         SELECT FROM ledger.window AS w
         WHERE (w.dataset, w.scope, w.window_start) = (j.dataset, j.scope, j.window_start) AND w.state = 'complete')
       OR j.window_start IS NULL AND j.file_uri IS NULL AND (j.dry_run OR j.status <> 'completed'))
  AND (NOT %(answers_expire)s OR j.archive_path IS NULL OR EXISTS (
    SELECT FROM ledger.import_job AS later WHERE later.archive_path = j.archive_path AND later.job_id > j.job_id))
  AND NOT EXISTS (SELECT FROM ledger.window AS w WHERE w.last_job_id = j.job_id)
  AND NOT EXISTS (SELECT FROM ledger.quarantine AS q WHERE q.job_id = j.job_id)
  AND NOT EXISTS (SELECT FROM ledger.influx_quarantine AS q WHERE q.job_id = j.job_id)
  AND NOT EXISTS (SELECT FROM ledger.drift AS d WHERE d.first_job_id = j.job_id)
  AND NOT EXISTS (SELECT FROM energy.meter AS m WHERE m.job_id = j.job_id)
RETURNING j.job_id, j.status, coalesce(j.file_name, j.dataset || ' ' || j.window_label)
