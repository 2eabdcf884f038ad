-- More than a unit can generate or consume in half an hour, with a tenth to spare. A capacity of 0 in the register says
-- that none was declared.
SELECT subject, day, item, value,
       CASE WHEN value > 0 THEN generation_capacity_mw ELSE demand_capacity_mw END / 2 AS expected, job_id
FROM ({series}) AS series JOIN energy.bm_unit ON bm_unit = subject
WHERE day BETWEEN {first} AND {last}
  AND (generation_capacity_mw > 0 AND value > 0.55 * generation_capacity_mw
       OR demand_capacity_mw < 0 AND value < 0.55 * demand_capacity_mw)
