-- Issues, red ones first, then the newest day, behind the one that a page ended with; each dataset reads its own index.
SELECT issue.* FROM unnest(%(datasets)s::text[]) AS asked (name) CROSS JOIN LATERAL (
  SELECT * FROM ledger.quality_issue
  WHERE dataset = asked.name AND {state}
    AND (%(severity)s::text IS NULL OR severity = %(severity)s)
    AND (%(day)s::date IS NULL OR day = %(day)s)
    AND (%(mpan)s::text IS NULL OR subject LIKE %(mpan)s || '/%%')
    AND (%(after_id)s::bigint IS NULL
         OR (severity, day, issue_id) < (%(after_severity)s::text, %(after_day)s::date, %(after_id)s::bigint))
  ORDER BY severity DESC, day DESC, issue_id DESC LIMIT %(limit)s
) AS issue ORDER BY severity DESC, day DESC, issue_id DESC LIMIT %(limit)s
