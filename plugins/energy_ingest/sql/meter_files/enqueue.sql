-- A file becomes a job, unless its bytes are one already: then nothing comes back. A rival's insert is waited for.
INSERT INTO ledger.import_job (dataset, import_type, scope, status, priority, max_retries, retry_at, notes, tags, metadata,
                               file_name, file_sha256, file_bytes, feed, default_site_id, dry_run, forced,
                               dag_id, run_id, last_error, completed_at, code_version)
VALUES ('meter_files', %(import_type)s, 'file', %(status)s, %(priority)s, %(max_retries)s, NULL, %(notes)s, %(tags)s,
        %(metadata)s, %(file_name)s, %(sha256)s, %(bytes)s, %(feed)s, %(default_site_id)s, %(dry_run)s, %(force)s,
        %(dag_id)s, %(run_id)s, %(error)s, CASE WHEN %(status)s = 'failed' THEN clock_timestamp() END, %(code_version)s)
ON CONFLICT (file_sha256) WHERE status IN ('queued', 'processing', 'completed') AND NOT forced AND NOT dry_run
  AND rolled_back_at IS NULL DO NOTHING
RETURNING job_id
