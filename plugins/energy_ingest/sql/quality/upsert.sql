-- What is at fault becomes issues. One that comes back, or has grown, is no longer acknowledged.
INSERT INTO ledger.quality_issue AS issue
  (dataset, rule, subject, day, severity, value_count, detail, first_seen, last_seen)
SELECT %(dataset)s, rule, subject, day, min(severity), count(*),
       jsonb_build_object('items', jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
         'item', item::text, 'value', value, 'expected', round(expected, 4))) ORDER BY item) FILTER (WHERE place <= 50)),
       %(now)s, %(now)s
FROM (SELECT *, row_number() OVER (PARTITION BY rule, subject, day ORDER BY item) AS place FROM fault) AS fault
GROUP BY rule, subject, day
ON CONFLICT (dataset, rule, subject, day) DO UPDATE
SET severity = excluded.severity, value_count = excluded.value_count, detail = excluded.detail,
    last_seen = excluded.last_seen, resolved_at = NULL,
    occurrences = issue.occurrences + (issue.resolved_at IS NOT NULL)::integer,
    (acknowledged_at, acknowledged_by, note) = (
      SELECT issue.acknowledged_at, issue.acknowledged_by, issue.note
      WHERE issue.resolved_at IS NULL AND excluded.value_count <= issue.value_count)
