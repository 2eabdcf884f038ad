-- The newest jobs, those that are at work or wait first.
SELECT * FROM ledger.import_job
WHERE dataset = 'meter_files' AND (status = %(status)s OR %(status)s::text IS NULL)
ORDER BY status NOT IN ('processing', 'queued'), job_id DESC LIMIT %(limit)s
