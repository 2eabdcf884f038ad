-- People were told of them: those whose session is gone are failed; a file with retries left is queued again, once, and
-- a window is due now. Whoever takes one over in this moment has changed its row, and keeps it.
WITH job AS (
  UPDATE ledger.import_job AS j
  SET status = CASE WHEN retry_count < max_retries THEN 'queued' ELSE 'failed' END,
      retry_count = retry_count + (retry_count < max_retries)::integer,
      completed_at = CASE WHEN retry_count < max_retries THEN NULL ELSE clock_timestamp() END,
      last_error = 'Job stuck in processing state for over ' || %(minutes)s || ' minutes - '
        || CASE WHEN retry_count < max_retries THEN 'queued again' ELSE 'marked as failed' END,
      error_type = 'Retryable'
  WHERE job_id = ANY(%(jobs)s) AND status = 'processing' AND alert_sent
    AND greatest(started_at, heartbeat_at) < %(now)s - %(stuck_after)s
    AND NOT EXISTS (
      SELECT FROM pg_stat_activity AS session WHERE session.datname = current_database()
        AND session.pid = coalesce(j.backend_pid, (j.metadata ->> 'backend_pid')::integer))
  RETURNING job_id, status, last_error
), due AS (
  UPDATE ledger.window AS w
  SET state = CASE WHEN w.state = 'running' THEN 'failed' ELSE w.state END, reason = job.last_error, next_due_at = %(now)s
  FROM job WHERE w.last_job_id = job.job_id AND job.status = 'failed'
)
SELECT job_id, status FROM job ORDER BY job_id
