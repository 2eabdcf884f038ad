-- Jobs whose process is gone once too often.
UPDATE ledger.import_job AS j
SET status = 'failed', completed_at = clock_timestamp(),
    last_error = format('the process that imported it ended without reporting, %%s times in all: it may need more memory '
                        'than it has, see its log; then `energy-ingest jobs retry %%s`', retry_count + 1, job_id)
WHERE dataset = 'meter_files' AND status = 'processing' AND retry_count >= max_retries AND {gone}
RETURNING j.*
