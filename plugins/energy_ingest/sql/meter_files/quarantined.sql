-- Open entries by import, column and reason.
SELECT q.job_id, j.file_name, q.column_name, q.reason, count(*) AS rows, min(q.row_number)
FROM ledger.quarantine AS q JOIN ledger.import_job AS j USING (job_id)
WHERE q.dataset = 'meter_files' AND q.resolved_at IS NULL
GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 5 DESC
