-- Forget the marks of what was redone, whose days are to be checked now. A mark that a load has renewed since stays, and
-- so does one that a load is renewing: nobody is waited for, so that nobody waits in a circle.
WITH marked AS (
  INSERT INTO ledger.quality_mark (dataset, day) SELECT DISTINCT 'meter_files', local_date FROM taken
)
DELETE FROM energy.meter_dirty WHERE ctid = ANY(ARRAY(
  SELECT mark.ctid FROM energy.meter_dirty AS mark JOIN taken USING (local_date, mpan, register, marked_at)
  FOR UPDATE OF mark SKIP LOCKED
))
