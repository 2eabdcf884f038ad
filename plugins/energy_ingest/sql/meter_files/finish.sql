-- The last piece is loaded, in the transaction of its rows. A file of which every item was refused has failed.
UPDATE ledger.import_job
SET completed_at = clock_timestamp(), total_rows = processed_rows, bytes_done = file_bytes,
    status = CASE WHEN quarantined_rows > 0 AND quarantined_rows = processed_rows THEN 'failed' ELSE 'completed' END,
    last_error = CASE WHEN quarantined_rows > 0 AND quarantined_rows = processed_rows
                      THEN format('all %%s items were refused; first: %%s', quarantined_rows, %(first)s::text) END
WHERE job_id = %(job_id)s AND claims = %(claim)s AND status = 'processing'
RETURNING status
