-- The loads of a window that wait, and whether any of them revised rows.
SELECT coalesce(array_agg(job_id), '{}'), coalesce(bool_or(revised_rows > 0), false)
FROM ledger.import_job
WHERE dataset = %(dataset)s AND window_start = %(start)s AND influx_pending
