-- The newest attempts on the windows of a label.
SELECT * FROM ledger.import_job
WHERE dataset = %(dataset)s AND scope = ANY(%(scopes)s) AND window_start = ANY(%(starts)s)
ORDER BY job_id DESC LIMIT %(limit)s
