-- Windows with rows that InfluxDB lacks: those of this run first, then the oldest. What it refuses waits for a person.
SELECT j.window_start, max(w.window_end), max(w.label), max(w.part),
       coalesce(bool_or(j.dag_id = %(dag_id)s AND j.run_id = %(run_id)s), false) AS own
FROM ledger.import_job AS j JOIN ledger.window AS w USING (dataset, scope, window_start)
WHERE j.dataset = %(dataset)s AND j.influx_pending AND w.influx_state IS DISTINCT FROM 'failed'
GROUP BY j.window_start
ORDER BY own DESC, j.window_start
