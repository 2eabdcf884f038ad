-- The rows of these loads are in InfluxDB. The caller holds the window's rows of the ledger, so no load can finish meanwhile.
WITH done AS (
  UPDATE ledger.import_job SET influx_pending = false WHERE job_id = ANY(%(jobs)s)
)
UPDATE ledger.window AS w
SET influx_state = 'written', influx_written_at = clock_timestamp(), influx_error = NULL
WHERE dataset = %(dataset)s AND window_start = %(start)s AND influx_state IS NOT NULL AND NOT EXISTS (
  SELECT FROM ledger.import_job AS j
  WHERE (j.dataset, j.scope, j.window_start) = (w.dataset, w.scope, w.window_start)
    AND j.influx_pending AND j.job_id <> ALL(%(jobs)s)
)
