-- What cannot be below zero.
SELECT subject, day, item, value, 0::numeric AS expected, job_id FROM ({series}) AS series
WHERE day BETWEEN {first} AND {last} AND value < 0
