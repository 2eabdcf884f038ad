-- One attempt on one window starts: its job, and the window's new state. A complete window stays complete meanwhile.
WITH taken_over AS (
  UPDATE ledger.import_job
  SET status = 'failed', completed_at = clock_timestamp(),
      last_error = 'the process ended without reporting; a later attempt took over'
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s AND status = 'processing'
    AND (run_id = %(run_id)s OR started_at < now() - interval '1 hour')
), job AS (
  INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, status, started_at, metadata,
                                 dag_id, run_id, try_number, code_version)
  VALUES (%(dataset)s, %(import_type)s, %(scope)s, %(start)s, %(label)s, 'processing', clock_timestamp(), %(metadata)s,
          %(dag_id)s, %(run_id)s, %(try_number)s, %(code_version)s)
  RETURNING job_id, started_at
)
INSERT INTO ledger.window AS w (dataset, scope, window_start, window_end, label, state, attempts,
                                first_attempt_at, last_attempt_at, last_job_id)
SELECT %(dataset)s, %(scope)s, %(start)s, %(end)s, %(label)s, 'running', 1, started_at, started_at, job_id FROM job
ON CONFLICT (dataset, scope, window_start) DO UPDATE
SET state = CASE WHEN w.state = 'complete' THEN 'complete' ELSE 'running' END,
    attempts = w.attempts + 1, last_attempt_at = excluded.last_attempt_at, last_job_id = excluded.last_job_id
RETURNING last_job_id, last_attempt_at, attempts, state = 'complete', first_empty_at
