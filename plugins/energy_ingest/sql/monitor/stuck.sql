-- Attempts under way without a sign of life; whether their session is still there. Files commit as they go on.
SELECT j.job_id,
       coalesce(j.file_name, j.dataset || ' ' || j.window_label || coalesce(nullif(' ' || j.window_part, ' '), '')),
       greatest(j.started_at, j.heartbeat_at),
       EXISTS (
         SELECT FROM pg_stat_activity AS session WHERE session.datname = current_database()
           AND session.pid = coalesce(j.backend_pid, (j.metadata ->> 'backend_pid')::integer))
FROM ledger.import_job AS j
WHERE j.status = 'processing' AND greatest(j.started_at, j.heartbeat_at) < %(now)s - %(stuck_after)s
ORDER BY j.job_id
