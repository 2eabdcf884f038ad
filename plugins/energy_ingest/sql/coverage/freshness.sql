-- How far each dataset is, and when it was last at work. The order of its last job names the dataset, too: else one without
-- jobs would be looked for among all jobs, from the newest one on.
SELECT asked.dataset, last.label AS last_label, last.completed_at AS last_complete_at, job.started_at AS last_attempt_at,
       coalesce(open.running, 0) AS running, coalesce(open.failed, 0) AS failed
FROM unnest(%(datasets)s::text[]) AS asked (dataset)
LEFT JOIN LATERAL (
  SELECT label, completed_at FROM unnest(%(of)s::text[], %(scopes)s::text[]) AS part (dataset, scope)
  CROSS JOIN LATERAL (
    SELECT label, completed_at FROM ledger.window AS w
    WHERE w.dataset = part.dataset AND w.scope = part.scope AND state = 'complete' ORDER BY label DESC LIMIT 1) AS newest
  WHERE part.dataset = asked.dataset ORDER BY label DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
  SELECT started_at FROM ledger.import_job AS j
  WHERE (j.dataset, j.job_id) BETWEEN (asked.dataset, 0::bigint) AND (asked.dataset, 9223372036854775807)
  ORDER BY j.dataset DESC, j.job_id DESC LIMIT 1
) AS job ON true
LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'failed') AS failed
  FROM ledger.window AS w WHERE w.dataset = asked.dataset AND state IN ('running', 'failed')
) AS open ON true
