-- Whether nobody is at work on a job any more: its session is gone, or silent for longer than a lock is waited for.
-- Sessions are listed once in a statement; who came and claimed the job since it began may be missing there.
(j.heartbeat_at < clock_timestamp() - interval '15 minutes' OR j.heartbeat_at < statement_timestamp() AND NOT EXISTS (
  SELECT FROM pg_stat_activity AS session
  WHERE session.datname = current_database() AND session.pid = j.backend_pid))
