-- An attempt ended with an answer: in the transaction of its rows.
WITH job AS (
  UPDATE ledger.import_job
  SET status = 'completed', completed_at = clock_timestamp(), last_error = NULL,
      total_rows = %(received)s, processed_rows = %(received)s, inserted_rows = %(inserted)s, revised_rows = %(revised)s,
      unchanged_rows = %(unchanged)s, quarantined_rows = %(quarantined)s, duplicate_rows = %(duplicates)s,
      request = %(request)s, response_sha256 = %(sha256)s, response_bytes = %(bytes)s, archive_path = %(path)s,
      retrieved_at = %(retrieved_at)s
  WHERE job_id = %(job_id)s
)
UPDATE ledger.window
SET state = %(state)s, reason = %(reason)s, expected = %(expected)s,
    actual = CASE WHEN %(state)s = 'complete' THEN greatest(actual, %(actual)s) ELSE %(actual)s END, next_due_at = %(next_due_at)s,
    completed_at = CASE WHEN %(state)s = 'complete' THEN coalesce(completed_at, clock_timestamp()) END,
    first_empty_at = CASE WHEN %(empty)s THEN coalesce(first_empty_at, %(retrieved_at)s) END,
    last_published_at = CASE WHEN %(changed)s THEN %(retrieved_at)s ELSE last_published_at END,
    source_version = coalesce(%(source_version)s, source_version), response_sha256 = %(sha256)s,
    last_job_id = %(job_id)s
WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s
