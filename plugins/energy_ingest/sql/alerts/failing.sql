-- Windows whose last attempt was a DAG's and failed, or died on the way; by dataset.
SELECT w.dataset, count(*)::integer, min(w.label), max(w.label), min(j.started_at),
       (array_agg(j.last_error ORDER BY j.job_id DESC) FILTER (WHERE j.status = 'failed'))[1],
       (array_agg(j.error_type ORDER BY j.job_id DESC) FILTER (WHERE j.status = 'failed'))[1]
FROM ledger.window AS w JOIN ledger.import_job AS j ON j.job_id = w.last_job_id
WHERE j.dag_id = %(dag_id)s
  AND (j.status = 'failed' OR (j.status = 'processing' AND NOT EXISTS (
    SELECT FROM pg_stat_activity AS session WHERE session.datname = current_database()
      AND session.pid = (j.metadata ->> 'backend_pid')::integer)))
GROUP BY w.dataset ORDER BY w.dataset
