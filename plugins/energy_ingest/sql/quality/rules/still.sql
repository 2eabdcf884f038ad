-- The same value, zero or not, for so many values on end; a run that crosses midnight belongs to each of its days.
SELECT subject, day, item, value, NULL::numeric AS expected, job_id FROM (
  SELECT *, count(*) OVER (PARTITION BY subject, run, value) AS length FROM (
    SELECT *, row_number() OVER (PARTITION BY subject ORDER BY at)
            - row_number() OVER (PARTITION BY subject, value ORDER BY at) AS run
    FROM ({series}) AS series WHERE value IS NOT NULL
  ) AS numbered
) AS run
WHERE day BETWEEN {first} AND {last} AND length >= {length} AND (value = 0) = {zero}
