-- Whether nobody is at work on a job any more: its session is gone, or silent for longer than a lock is waited for.
(j.heartbeat_at < clock_timestamp() - interval '15 minutes' OR NOT EXISTS (
  SELECT FROM pg_stat_activity AS session
  WHERE session.datname = current_database() AND session.pid = j.backend_pid))
