-- An attempt failed: it waits for its next one, or has had them all. Waits: 1, 2, 4 ... at most 60 minutes.
UPDATE ledger.import_job
SET last_error = %(error)s, metadata = metadata || jsonb_build_object('errors', coalesce(metadata -> 'errors', '[]')
      || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'error', %(error)s::text))),
    status = CASE WHEN again THEN 'queued' ELSE 'failed' END,
    retry_count = retry_count + again::integer,
    retry_at = CASE WHEN again THEN clock_timestamp() + least(interval '1 minute' * 2 ^ retry_count, interval '1 hour') END,
    completed_at = CASE WHEN NOT again THEN clock_timestamp() END
FROM (SELECT job_id, %(may_retry)s AND retry_count < max_retries AS again FROM ledger.import_job
      WHERE job_id = %(job_id)s) AS outcome
WHERE import_job.job_id = outcome.job_id AND claims = %(claim)s AND status = 'processing'
RETURNING status
