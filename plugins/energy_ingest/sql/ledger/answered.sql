-- Windows of these labels that an answer after their end settled: there is no more to have of them for now.
SELECT window_start FROM ledger.window AS w
WHERE dataset = %(dataset)s AND scope = %(scope)s AND label = ANY(%(labels)s)
  AND state IN ('complete', 'pending', 'empty_confirmed', 'abandoned') AND EXISTS (
    SELECT FROM ledger.import_job AS j
    WHERE (j.dataset, j.scope, j.window_start) = (w.dataset, w.scope, w.window_start)
      AND j.status = 'completed' AND j.retrieved_at >= w.window_end)
