-- Which datasets were ever asked for in these scopes, and the newest label with data of each, and when that came.
SELECT asked.dataset, max(newest.label), (array_agg(newest.completed_at ORDER BY newest.label DESC NULLS LAST))[1]
FROM unnest(%(of)s::text[], %(scopes)s::text[]) AS asked (dataset, scope)
CROSS JOIN LATERAL (
  SELECT FROM ledger.window AS w
  WHERE w.dataset = asked.dataset AND w.scope = asked.scope ORDER BY label LIMIT 1) AS tried -- by the index by day
LEFT JOIN LATERAL (
  SELECT label, completed_at FROM ledger.window AS w
  WHERE w.dataset = asked.dataset AND w.scope = asked.scope AND state = 'complete'
  ORDER BY label DESC, completed_at DESC NULLS LAST LIMIT 1
) AS newest ON true
GROUP BY asked.dataset
