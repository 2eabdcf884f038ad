-- Rows that an attempt refused, in the order of its file or answer.
SELECT quarantine_id AS entry, row_number, column_name AS "column", value, reason, raw, created_at, resolved_at, resolution
FROM ledger.quarantine
WHERE job_id = %(job_id)s AND (resolved_at IS NULL OR NOT %(open)s)
  AND (row_number, quarantine_id) > (%(row)s, %(entry)s)
ORDER BY row_number, quarantine_id LIMIT %(limit)s
