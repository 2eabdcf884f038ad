-- Former versions that were superseded long ago, and since when history is whole. What a batch replaced that was taken back
-- stays: taking a later batch back restores it.
WITH gone AS (
  DELETE FROM {revision} AS former
  WHERE recorded_to < %(revision_cutoff)s AND NOT EXISTS (
    SELECT FROM ledger.import_job AS j WHERE j.job_id = former.superseded_by AND j.rolled_back_at IS NOT NULL)
  RETURNING recorded_to
), noted AS (
  INSERT INTO ledger.history_horizon AS known (table_name, complete_from)
  SELECT {table}, max(recorded_to) FROM gone HAVING count(*) > 0
  ON CONFLICT (table_name) DO UPDATE SET complete_from = greatest(known.complete_from, excluded.complete_from)
)
SELECT {table}, recorded_to::date, count(*) FROM gone GROUP BY 2 ORDER BY 2
