-- An attempt ended without a usable answer. What was complete before stays complete. The window is locked before the
-- job, as everywhere: else a rival that takes the job over meets us half way.
WITH place AS (
  SELECT FROM ledger.window
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s FOR UPDATE
), job AS (
  UPDATE ledger.import_job
  SET status = 'failed', completed_at = clock_timestamp(), last_error = %(error)s,
      error_type = %(error_type)s, request = %(request)s,
      response_sha256 = %(sha256)s, response_bytes = %(bytes)s, archive_path = %(path)s
  FROM place
  WHERE job_id = %(job_id)s AND status = 'processing'
  RETURNING job_id
)
UPDATE ledger.window
SET state = CASE WHEN state = 'complete' THEN 'complete' ELSE %(state)s END, reason = %(error)s,
    next_due_at = %(next_due_at)s
WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s AND EXISTS (SELECT FROM job)
