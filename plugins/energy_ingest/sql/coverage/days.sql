-- How many windows of a label are in which state, of these datasets in these scopes.
SELECT w.dataset, w.label, w.state, count(*)
FROM unnest(%(of)s::text[], %(scopes)s::text[]) AS asked (dataset, scope) JOIN ledger.window AS w USING (dataset, scope)
WHERE w.label BETWEEN %(first)s AND %(last)s
GROUP BY w.dataset, w.label, w.state
