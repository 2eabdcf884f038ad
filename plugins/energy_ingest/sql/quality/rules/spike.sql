-- More than so many times the highest of the same half hour in the four weeks before, of which at least three are there.
SELECT now.subject, now.day, now.item, now.value, max(past.value) AS expected, now.job_id
FROM ({series}) AS now JOIN ({series}) AS past
  ON past.subject = now.subject AND past.item = now.item AND past.day IN (now.day - 7, now.day - 14, now.day - 21, now.day - 28)
WHERE now.day BETWEEN {first} AND {last} AND past.value IS NOT NULL
GROUP BY now.subject, now.day, now.item, now.value, now.job_id
HAVING count(*) >= 3 AND now.value > {times} * max(past.value) AND max(past.value) > 0
