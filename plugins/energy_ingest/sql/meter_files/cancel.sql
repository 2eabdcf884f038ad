-- Whoever is at work on it finds out when it wants to commit its next piece.
UPDATE ledger.import_job SET status = 'cancelled', completed_at = clock_timestamp(), retry_at = NULL
WHERE job_id = %s AND dataset = 'meter_files' AND status IN ('queued', 'processing')
RETURNING job_id
