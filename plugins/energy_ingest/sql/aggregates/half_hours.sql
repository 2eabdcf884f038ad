-- The half hours of one date by meter. Its bounds and those of its peak are instants, so no reading's time is converted.
-- The total is that of the peak and that of the rest: so each reading is added up once.
SELECT {day}::date AS local_date, reading.mpan, reading.register, count(*)::integer AS readings,
       coalesce(sum(quantity_kwh) FILTER (WHERE is_peak), 0) + coalesce(sum(quantity_kwh) FILTER (WHERE NOT is_peak), 0)
         AS total,
       sum(quantity_kwh) FILTER (WHERE is_peak) AS peak,
       sum(quantity_kwh) FILTER (WHERE reading_type = 'estimated') AS estimated,
       min(quantity_kwh) AS lowest, max(quantity_kwh) AS highest
FROM (SELECT *, period_start >= {peak_start} AND period_start < {peak_end} AS is_peak FROM energy.meter_reading)
  AS reading {of_the_dirty}
WHERE reading.period_start >= {start} AND reading.period_start < {end}
GROUP BY reading.mpan, reading.register
