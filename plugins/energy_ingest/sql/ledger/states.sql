-- What the ledger knows of a dataset's windows.
SELECT scope, label, part, window_start, state, reason, expected, actual, attempts, last_attempt_at, next_due_at
FROM ledger.window WHERE dataset = %(dataset)s AND scope = %(scope)s
ORDER BY window_start
