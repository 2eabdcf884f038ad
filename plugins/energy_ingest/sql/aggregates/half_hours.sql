-- The half hours of one date by meter. Its bounds and those of its peak are instants, so no reading's time is converted.
SELECT {day}::date AS local_date, reading.mpan, reading.register, count(*)::integer AS readings,
       sum(quantity_kwh) AS total,
       sum(quantity_kwh) FILTER (WHERE reading.period_start >= {peak_start} AND reading.period_start < {peak_end}) AS peak,
       sum(quantity_kwh) FILTER (WHERE reading_type = 'estimated') AS estimated,
       min(quantity_kwh) AS lowest, max(quantity_kwh) AS highest
FROM energy.meter_reading AS reading {of_the_dirty}
WHERE reading.period_start >= {start} AND reading.period_start < {end}
GROUP BY reading.mpan, reading.register
