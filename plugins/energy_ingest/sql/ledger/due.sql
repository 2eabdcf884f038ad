-- Windows whose next look is due, oldest first.
SELECT label FROM ledger.window
WHERE dataset = %(dataset)s AND scope = %(scope)s AND next_due_at <= %(now)s
  AND NOT (state = 'running' AND last_attempt_at > %(now)s - interval '1 hour')
ORDER BY window_start LIMIT %(limit)s
