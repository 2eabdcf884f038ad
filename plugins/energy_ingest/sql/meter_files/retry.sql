-- A failed or cancelled job goes on where it stopped; one of which every item was refused begins anew. Its row is locked
-- before it is judged: whoever waits for a rival's retry must not queue what is at work by then.
WITH outcome AS (
  SELECT job_id, processed_rows = quarantined_rows AS anew FROM ledger.import_job
  WHERE job_id = %(job_id)s AND dataset = 'meter_files' AND status IN ('failed', 'cancelled')
    AND rolled_back_at IS NULL AND file_sha256 IS NOT NULL
  FOR NO KEY UPDATE
), closed AS (
  UPDATE ledger.quarantine AS q SET resolved_at = now(), resolution = 'its file is read again'
  FROM outcome WHERE q.job_id = outcome.job_id AND anew AND resolved_at IS NULL
)
UPDATE ledger.import_job AS j
SET status = 'queued', retry_count = 0, retry_at = clock_timestamp() + %(delay)s, completed_at = NULL,
    feed = CASE WHEN anew THEN coalesce(%(feed)s, feed) ELSE feed END,
    resume_row = CASE WHEN anew THEN 0 ELSE resume_row END, bytes_done = CASE WHEN anew THEN 0 ELSE bytes_done END,
    processed_rows = CASE WHEN anew THEN 0 ELSE processed_rows END, total_rows = NULL,
    quarantined_rows = CASE WHEN anew THEN 0 ELSE quarantined_rows END,
    report = CASE WHEN anew THEN NULL ELSE report END
FROM outcome WHERE j.job_id = outcome.job_id
RETURNING j.*
