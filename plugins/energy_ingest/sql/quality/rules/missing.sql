-- Half hours of a day that its subject has not: of 46, 48 or 50.
SELECT day.subject, day.day, slot AS item, NULL::numeric AS value, NULL::numeric AS expected, 0::bigint AS job_id
FROM (SELECT subject, day, array_agg(item) AS items FROM ({series}) AS series
      WHERE day BETWEEN {first} AND {last} GROUP BY subject, day) AS day,
     generate_series(1, energy.half_hours_of(day)) AS slot
WHERE NOT slot = ANY(items)
