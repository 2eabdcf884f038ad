-- Files whose rows are loaded and stand.
SELECT job_id, file_uri FROM ledger.import_job
WHERE dataset = 'meter_files' AND status = 'completed' AND NOT dry_run AND rolled_back_at IS NULL
  AND completed_at < %(cutoff)s AND file_uri LIKE '%%/processed/%%'
  AND NOT EXISTS (SELECT FROM ledger.quarantine AS q WHERE q.job_id = import_job.job_id AND q.resolved_at IS NULL)
ORDER BY job_id
