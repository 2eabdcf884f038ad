-- Mark every day of every meter in a range of dates: those with readings, and those that once had some.
INSERT INTO energy.meter_dirty AS mark (local_date, mpan, register, marked_at)
SELECT local_date, mpan, register, clock_timestamp() FROM (
  SELECT (period_start AT TIME ZONE 'Europe/London')::date AS local_date, mpan, register FROM energy.meter_reading
  WHERE period_start >= %(start)s AND period_start < %(end)s
  UNION
  SELECT local_date, mpan, register FROM energy.meter_daily_reading WHERE local_date BETWEEN %(first)s AND %(last)s
  UNION
  SELECT local_date, mpan, register FROM energy.meter_daily WHERE local_date BETWEEN %(first)s AND %(last)s
) AS day
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
