SELECT mpan || '/' || register AS subject, local_date AS day, 0 AS item,
       local_date::timestamp AT TIME ZONE 'Europe/London' AS at, quantity_kwh AS value, job_id
FROM energy.meter_daily_reading WHERE local_date BETWEEN {since} AND {until}
