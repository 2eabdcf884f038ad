-- Take the next job: by priority, then first in, first out. One whose process is gone is taken over, which costs it a
-- retry, so that a file which kills its process does not do so for ever.
WITH next AS (
  SELECT job_id, status = 'processing' AS is_orphan FROM ledger.import_job AS j
  WHERE dataset = 'meter_files' AND (job_id = %(only)s OR %(only)s::bigint IS NULL)
    AND (status = 'queued' AND coalesce(retry_at, queued_at) <= clock_timestamp()
         OR status = 'processing' AND retry_count < max_retries AND {gone})
  ORDER BY array_position(ARRAY['high', 'normal', 'low'], priority), queued_at, job_id
  FOR NO KEY UPDATE SKIP LOCKED LIMIT 1
)
UPDATE ledger.import_job AS j
SET status = 'processing', started_at = coalesce(started_at, clock_timestamp()), completed_at = NULL, retry_at = NULL,
    retry_count = retry_count + is_orphan::integer, claims = claims + 1, backend_pid = pg_backend_pid(),
    heartbeat_at = clock_timestamp(), dag_id = coalesce(%(dag_id)s, dag_id), run_id = coalesce(%(run_id)s, run_id),
    try_number = %(try_number)s, code_version = %(code_version)s
FROM next WHERE j.job_id = next.job_id
RETURNING j.*
