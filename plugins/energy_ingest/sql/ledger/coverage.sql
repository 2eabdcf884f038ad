-- What the ledger knows of a dataset's windows: state, attempts, rows that the table got for them, open quarantine.
WITH loaded AS (
  SELECT window_start, sum(inserted_rows) AS rows FROM ledger.import_job
  WHERE dataset = %(dataset)s AND status = 'completed' GROUP BY window_start
), refused AS (
  SELECT window_start, count(*) AS rows FROM ledger.quarantine
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND resolved_at IS NULL GROUP BY window_start
)
SELECT w.window_start, w.window_end, w.label, w.part, w.state, w.reason, w.attempts,
       coalesce(loaded.rows, 0)::bigint, coalesce(refused.rows, 0)
FROM ledger.window AS w LEFT JOIN loaded USING (window_start) LEFT JOIN refused USING (window_start)
WHERE w.dataset = %(dataset)s AND w.scope = %(scope)s
  AND w.label BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
ORDER BY w.window_start
