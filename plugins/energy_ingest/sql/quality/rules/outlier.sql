-- Beyond so many times the distance of a day's quartiles, where a day has at least 10 values; a flat day has no outlier.
SELECT subject, day, item, value, CASE WHEN value < low THEN low ELSE high END AS expected, job_id
FROM ({series}) AS series JOIN (
  SELECT subject, day, q[1] - {times} * (q[2] - q[1]) AS low, q[2] + {times} * (q[2] - q[1]) AS high FROM (
    SELECT subject, day, percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY value)::numeric[] AS q
    FROM ({series}) AS series WHERE day BETWEEN {first} AND {last}
    GROUP BY subject, day HAVING count(value) >= 10
  ) AS quartiles WHERE q[2] > q[1]
) AS bounds USING (subject, day)
WHERE value < low OR value > high
