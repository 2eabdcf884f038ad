-- True where no red issue is open that nobody acknowledged.
SELECT NOT EXISTS (
  SELECT FROM ledger.quality_issue WHERE severity = 'red' AND resolved_at IS NULL AND acknowledged_at IS NULL
) AS nothing_is_red
