-- The import that has these bytes.
SELECT job_id FROM ledger.import_job
WHERE file_sha256 = %s AND status IN ('queued', 'processing', 'completed') AND NOT forced AND NOT dry_run
  AND rolled_back_at IS NULL
