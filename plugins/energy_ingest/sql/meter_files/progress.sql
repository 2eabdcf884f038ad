-- A piece is loaded: in the transaction of its rows, and only by the process that has the job.
UPDATE ledger.import_job
SET heartbeat_at = clock_timestamp(), resume_row = %(last_row)s, bytes_done = least(%(bytes_done)s, file_bytes),
    processed_rows = processed_rows + %(items)s, inserted_rows = inserted_rows + %(inserted)s,
    revised_rows = revised_rows + %(revised)s, unchanged_rows = unchanged_rows + %(unchanged)s,
    quarantined_rows = quarantined_rows + %(quarantined)s, duplicate_rows = duplicate_rows + %(duplicates)s,
    report = %(report)s
WHERE job_id = %(job_id)s AND claims = %(claim)s AND status = 'processing'
RETURNING processed_rows, processed_rows - quarantined_rows
