-- An attempt ended with an answer: in the transaction of its rows; what it changed is to be checked. An answer older than
-- one that is loaded already (a replay, a slower rival) adds what was missing, but does not speak for the window.
WITH job AS (
  UPDATE ledger.import_job
  SET status = 'completed', completed_at = clock_timestamp(), last_error = NULL,
      total_rows = %(received)s, processed_rows = %(received)s, inserted_rows = %(inserted)s, revised_rows = %(revised)s,
      unchanged_rows = %(unchanged)s, quarantined_rows = %(quarantined)s, duplicate_rows = %(duplicates)s,
      request = %(request)s, response_sha256 = %(sha256)s, response_bytes = %(bytes)s, archive_path = %(path)s,
      retrieved_at = %(retrieved_at)s, influx_pending = %(to_influx)s, source_version = %(source_version)s
  WHERE job_id = %(job_id)s
), closed AS (
  UPDATE ledger.quarantine
  SET resolved_at = now(), resolution = CASE WHEN %(is_newest)s THEN 'answered again by job ' || %(job_id)s
                                             ELSE 'a newer answer was loaded before' END
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s AND resolved_at IS NULL
    AND %(is_newest)s = (job_id <> %(job_id)s)
), marked AS (
  INSERT INTO ledger.quality_mark (dataset, day) SELECT %(dataset)s, %(label)s::date WHERE %(changed)s
)
UPDATE ledger.window
SET state = %(state)s, reason = %(reason)s, expected = %(expected)s, next_due_at = %(next_due_at)s,
    actual = CASE WHEN %(state)s = 'complete' THEN greatest(actual, %(actual)s) ELSE %(actual)s END,
    completed_at = CASE WHEN %(state)s = 'complete' THEN coalesce(completed_at, clock_timestamp()) END,
    first_empty_at = CASE WHEN %(empty)s THEN least(first_empty_at, %(retrieved_at)s) END,
    last_published_at = CASE WHEN %(changed)s THEN greatest(last_published_at, %(retrieved_at)s) ELSE last_published_at END,
    source_version = CASE WHEN %(is_newest)s THEN coalesce(%(source_version)s, source_version) ELSE source_version END,
    response_sha256 = CASE WHEN %(is_newest)s THEN %(sha256)s ELSE response_sha256 END,
    influx_state = CASE WHEN %(to_influx)s THEN 'pending' ELSE influx_state END,
    last_job_id = %(job_id)s
WHERE dataset = %(dataset)s AND scope = %(scope)s AND window_start = %(start)s
