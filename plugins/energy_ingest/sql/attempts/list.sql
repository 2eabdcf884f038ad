-- Attempts and files, the newest first, behind the one that a page ended with. Text of meter files may hold MPANs: only
-- who may see these may look for them.
SELECT * FROM ledger.import_job
WHERE dataset = ANY(%(datasets)s) AND job_id < coalesce(%(before)s, 9223372036854775807)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(import_type)s::text IS NULL OR import_type = %(import_type)s)
  AND (%(priority)s::text IS NULL OR priority = %(priority)s)
  AND (%(like)s::text IS NULL OR run_id ILIKE %(like)s OR batch_id::text LIKE lower(%(like)s)
       OR (dataset <> 'meter_files' OR %(reveal)s)
          AND (file_name ILIKE %(like)s OR last_error ILIKE %(like)s OR notes ILIKE %(like)s))
ORDER BY job_id DESC LIMIT %(limit)s
