-- A posted file that was refused whole, such as for its header: it has no rows that count, so its score is 0.
INSERT INTO energy.capacity_file_quality (job_id, dataset, asset, gas_day, nomination_cycle, due_at, retrieved_at, rows,
  locations, quarantined_rows, duplicate_rows, bad_flags, wrong_oac, blank_quantities, outliers, score)
SELECT job_id, %(dataset)s, %(asset)s, %(gas_day)s, %(cycle)s, %(due_at)s, completed_at, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM ledger.import_job WHERE job_id = %(job_id)s AND status = 'failed'
ON CONFLICT (job_id) DO NOTHING
