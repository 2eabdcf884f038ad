-- Open entries by import and reason; the columns of a wide file that share one are told by the first.
SELECT q.job_id, j.file_name,
       (array_agg(q.column_name ORDER BY q.quarantine_id))[1]
         || CASE WHEN count(DISTINCT q.column_name) > 1
                 THEN format(' and %%s more', count(DISTINCT q.column_name) - 1) ELSE '' END AS columns,
       q.reason, count(*) AS rows, min(q.row_number)
FROM ledger.quarantine AS q JOIN ledger.import_job AS j USING (job_id)
WHERE q.dataset = 'meter_files' AND q.resolved_at IS NULL
GROUP BY 1, 2, 4 ORDER BY 1 DESC, 5 DESC
