-- The windows of a label, and what the table got for each.
WITH loaded AS (
  SELECT scope, window_start, sum(inserted_rows)::bigint AS rows FROM ledger.import_job
  WHERE dataset = %(dataset)s AND scope = ANY(%(scopes)s) AND window_start = ANY(%(starts)s) AND status = 'completed'
  GROUP BY scope, window_start
), refused AS (
  SELECT scope, window_start, count(*) AS quarantined FROM ledger.quarantine
  WHERE dataset = %(dataset)s AND window_start = ANY(%(starts)s) AND resolved_at IS NULL GROUP BY scope, window_start
)
SELECT scope, window_start AS start, window_end AS "end", label, part, state, reason, expected, actual, attempts,
       first_attempt_at, last_attempt_at, completed_at, next_due_at, source_version, response_sha256, influx_state,
       coalesce(rows, 0) AS rows, coalesce(quarantined, 0) AS quarantined
FROM ledger.window LEFT JOIN loaded USING (scope, window_start) LEFT JOIN refused USING (scope, window_start)
WHERE dataset = %(dataset)s AND scope = ANY(%(scopes)s) AND label = %(day)s
ORDER BY scope, window_start
