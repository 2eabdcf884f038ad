-- What people are to be told of, by dataset and rule.
SELECT dataset, rule, sum(value_count)::integer, count(DISTINCT day)::integer, min(day), max(day), min(first_seen)
FROM ledger.quality_issue WHERE severity = 'red' AND resolved_at IS NULL AND acknowledged_at IS NULL
GROUP BY dataset, rule ORDER BY dataset, rule
