-- Files that were removed are named by no job any more.
UPDATE ledger.import_job SET
  archive_path = CASE WHEN archive_path = ANY(%(answers)s::text[]) THEN NULL ELSE archive_path END,
  file_uri = CASE WHEN job_id = ANY(%(files)s::bigint[]) THEN NULL ELSE file_uri END
WHERE archive_path = ANY(%(answers)s::text[]) OR job_id = ANY(%(files)s::bigint[])
