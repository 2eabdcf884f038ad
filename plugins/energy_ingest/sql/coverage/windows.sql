-- What the ledger has of these labels' windows.
SELECT w.dataset, w.scope, w.window_start, w.window_end, w.label, w.part, w.state, w.reason, w.attempts
FROM unnest(%(of)s::text[], %(scopes)s::text[]) AS asked (dataset, scope)
JOIN unnest(%(names)s::text[], %(labels)s::date[]) AS day (dataset, label) USING (dataset)
JOIN ledger.window AS w USING (dataset, scope, label)
