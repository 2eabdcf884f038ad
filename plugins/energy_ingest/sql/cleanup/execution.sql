-- What ran besides loads, but for the last time of each kind; what a clean-up removed stays as long as key figures.
DELETE FROM ledger.execution AS e
WHERE completed_at < CASE WHEN kind = 'cleanup' THEN %(kpi_cutoff)s::timestamptz ELSE %(cutoff)s END
  AND EXISTS (SELECT FROM ledger.execution AS later WHERE later.kind = e.kind AND later.completed_at > e.completed_at)
RETURNING execution_id, kind
