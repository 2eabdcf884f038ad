-- Refused lines of earlier attempts on these loads (`anew`: of the whole window) are answered by this one.
UPDATE ledger.influx_quarantine SET resolved_at = now()
WHERE dataset = %(dataset)s AND window_start = %(start)s AND resolved_at IS NULL
  AND (%(anew)s OR job_id = ANY(%(jobs)s))
