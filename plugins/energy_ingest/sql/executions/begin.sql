-- Note what begins; what is noted as running although its session is gone has failed.
WITH gone AS (
  UPDATE ledger.execution AS e
  SET status = 'failed', completed_at = clock_timestamp(), errors = errors + 1, message = 'its process is gone'
  WHERE status = 'running' AND NOT EXISTS (
    SELECT FROM pg_stat_activity AS session
    WHERE session.datname = current_database() AND session.pid = e.backend_pid)
)
INSERT INTO ledger.execution (kind, target, dag_id, run_id, try_number, code_version)
VALUES (%(kind)s, %(target)s, %(dag_id)s, %(run_id)s, %(try_number)s, %(code_version)s)
RETURNING execution_id
