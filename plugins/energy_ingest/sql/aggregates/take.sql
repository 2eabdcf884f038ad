-- The marks that are worked on, with statistics: those of energy.meter_dirty tell of other dates than are dirty now.
-- Readings are read after them, so that none is older than its mark.
CREATE TEMPORARY TABLE taken ON COMMIT DROP AS SELECT * FROM energy.meter_dirty WHERE local_date = ANY({days}::date[]);
ANALYZE taken
