SELECT mpan || '/' || register AS subject, day, 1 + (extract(epoch FROM period_start - start) / 1800)::integer AS item,
       period_start AS at, quantity_kwh AS value, job_id
FROM (
  SELECT *, (period_start AT TIME ZONE 'Europe/London')::date AS day,
         date_trunc('day', period_start, 'Europe/London') AS start
  FROM energy.meter_reading
  WHERE period_start >= {since}::date::timestamp AT TIME ZONE 'Europe/London'
    AND period_start < ({until}::date + 1)::timestamp AT TIME ZONE 'Europe/London'
) AS reading
