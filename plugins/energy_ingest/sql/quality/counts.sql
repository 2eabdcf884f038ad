-- Issues that hold now, by dataset and severity.
SELECT dataset, severity, count(*) FILTER (WHERE acknowledged_at IS NULL)::integer AS open,
       count(acknowledged_at)::integer AS acknowledged, sum(value_count)::bigint AS values
FROM ledger.quality_issue WHERE resolved_at IS NULL AND dataset = ANY(%(datasets)s)
GROUP BY dataset, severity ORDER BY severity DESC, dataset
