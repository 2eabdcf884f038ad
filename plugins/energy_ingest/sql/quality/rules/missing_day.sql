-- Days that a meter has not, between one and the one before it, at most 60 days earlier; their item is the date as a number.
SELECT subject, day, to_char(gap, 'YYYYMMDD')::integer AS item, NULL::numeric AS value, NULL::numeric AS expected,
       0::bigint AS job_id
FROM (
  SELECT mpan || '/' || register AS subject, local_date AS day,
         lag(local_date) OVER (PARTITION BY mpan, register ORDER BY local_date) AS former
  FROM energy.meter_daily WHERE local_date BETWEEN {first}::date - 60 AND {last}
) AS known, generate_series(former + 1, day - 1, interval '1 day') AS gap
WHERE day BETWEEN {first} AND {last}
