-- A solar unit that generates between 23:00 and 02:00 UTC, when it is dark all over Great Britain all year.
SELECT subject, day, item, value, 0::numeric AS expected, job_id
FROM ({series}) AS series JOIN energy.bm_unit ON bm_unit = subject AND fuel_type = 'SOLAR'
WHERE day BETWEEN {first} AND {last} AND value > 0 AND extract(hour FROM at AT TIME ZONE 'UTC') IN (23, 0, 1)
