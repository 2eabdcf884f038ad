-- Claim an attempt at healing, if its pause is over and there are any left; else tell how many there were.
-- A row that stands in the way and is not seen is a rival's first attempt, committed since this statement began.
WITH claimed AS (
  INSERT INTO ledger.healing AS h (dataset, attempts, last_at) VALUES (%(dataset)s, 1, %(now)s)
  ON CONFLICT (dataset) DO UPDATE SET attempts = h.attempts + 1, last_at = excluded.last_at
  WHERE h.attempts = 0 OR (h.attempts < %(most)s
    AND h.last_at + %(pause)s * 2 ^ (h.attempts - 1) - %(slack)s <= %(now)s)
  RETURNING attempts
)
SELECT true, attempts FROM claimed
UNION ALL
SELECT false, coalesce((SELECT attempts FROM ledger.healing WHERE dataset = %(dataset)s), 1)
WHERE NOT EXISTS (SELECT FROM claimed)
