-- Windows whose next look is due, those that wait longest first.
SELECT window_start, window_end, label, part FROM ledger.window
WHERE dataset = %(dataset)s AND scope = %(scope)s AND next_due_at <= %(now)s
  AND NOT (state = 'running' AND last_attempt_at > %(now)s - interval '1 hour')
ORDER BY next_due_at, window_start LIMIT %(limit)s
