-- One attempt on one window starts: its job, and the window's new state. A complete window stays complete meanwhile.
-- If this process dies and nobody repeats its run, the window is due again in an hour.
WITH earlier AS (
  SELECT count(*) AS answers FROM ledger.import_job
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s AND status = 'completed'
    AND retrieved_at >= %(deadline)s
), taken_over AS (
  UPDATE ledger.import_job AS dead
  SET status = 'failed', completed_at = clock_timestamp(),
      last_error = 'the process ended without reporting; a later attempt took over'
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s AND status = 'processing'
    AND (run_id = %(run_id)s OR started_at < now() - interval '1 hour' OR NOT EXISTS (
      SELECT FROM pg_stat_activity AS session
      WHERE session.datname = current_database() AND session.pid = (dead.metadata ->> 'backend_pid')::integer))
), job AS (
  INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, window_part, status, started_at,
                                 metadata, dag_id, run_id, try_number, code_version)
  VALUES (%(dataset)s, %(import_type)s, %(scope)s, %(start)s, %(label)s, %(part)s, 'processing',
          clock_timestamp(), %(metadata)s || jsonb_build_object('backend_pid', pg_backend_pid()),
          %(dag_id)s, %(run_id)s, %(try_number)s, %(code_version)s)
  RETURNING job_id, started_at
)
INSERT INTO ledger.window AS w (dataset, scope, window_start, window_end, label, part, state, attempts,
                                first_attempt_at, last_attempt_at, last_job_id, next_due_at)
SELECT %(dataset)s, %(scope)s, %(start)s, %(end)s, %(label)s, %(part)s, 'running', 1, started_at, started_at, job_id,
       started_at + interval '1 hour' FROM job
ON CONFLICT (dataset, scope, window_start) DO UPDATE
SET state = CASE WHEN w.state = 'complete' THEN 'complete' ELSE 'running' END,
    attempts = w.attempts + 1, last_attempt_at = excluded.last_attempt_at, last_job_id = excluded.last_job_id,
    next_due_at = coalesce(w.next_due_at, excluded.next_due_at)
RETURNING last_job_id, last_attempt_at, attempts, (SELECT answers FROM earlier), state = 'complete', first_empty_at
