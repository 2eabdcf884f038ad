-- By UTC day, how many issues came up, how many came right, and how many were there when it ended. One that came back
-- counts as if it had never been away: only its first and its last day are known.
WITH issue AS (
  SELECT severity, greatest(first_seen::date, %(first)s::date - 1) AS opened, resolved_at::date AS resolved
  FROM ledger.quality_issue
  WHERE dataset = ANY(%(datasets)s) AND (resolved_at IS NULL OR resolved_at >= %(first)s::date)
), moved AS (
  SELECT opened AS day, severity, 1 AS opened, 0 AS resolved FROM issue
  UNION ALL
  SELECT resolved, severity, 0, 1 FROM issue WHERE resolved IS NOT NULL
  UNION ALL
  SELECT day::date, severity, 0, 0 FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS day,
         unnest(ARRAY['red', 'amber']) AS severity
), counted AS (
  SELECT day, severity, sum(opened)::integer AS opened, sum(resolved)::integer AS resolved,
         (sum(sum(opened) - sum(resolved)) OVER (PARTITION BY severity ORDER BY day))::integer AS open
  FROM moved GROUP BY day, severity
)
SELECT day, sum(opened)::integer AS opened, sum(resolved)::integer AS resolved, sum(open)::integer AS open,
       sum(open) FILTER (WHERE severity = 'red')::integer AS open_red
FROM counted WHERE day BETWEEN %(first)s AND %(last)s GROUP BY day ORDER BY day
