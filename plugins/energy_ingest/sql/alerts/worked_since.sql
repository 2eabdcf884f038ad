-- Whether a DAG has completed anything since.
SELECT EXISTS (SELECT FROM ledger.import_job
               WHERE dag_id = %(dag_id)s AND status = 'completed' AND completed_at > %(since)s)
    OR EXISTS (SELECT FROM ledger.execution
               WHERE dag_id = %(dag_id)s AND status = 'completed' AND completed_at > %(since)s)
