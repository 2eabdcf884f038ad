-- Beyond so many times the distance of a day's quartiles, where a day has at least 10 values. The distance counts as a
-- quarter of the median at least: on a flat day every other value would be an outlier.
SELECT subject, day, item, value, CASE WHEN value < low THEN low ELSE high END AS expected, job_id
FROM ({series}) AS series JOIN (
  SELECT subject, day, q[1] - {times} * distance AS low, q[3] + {times} * distance AS high FROM (
    SELECT subject, day, q, greatest(q[3] - q[1], abs(q[2]) / 4) AS distance FROM (
      SELECT subject, day, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY value)::numeric[] AS q
      FROM ({series}) AS series WHERE day BETWEEN {first} AND {last}
      GROUP BY subject, day HAVING count(value) >= 10
    ) AS quartiles
  ) AS spread WHERE distance > 0
) AS bounds USING (subject, day)
WHERE value < low OR value > high
