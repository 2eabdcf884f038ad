-- Put what was redone into the days: a day without readings goes, one that is what it was stays as it is.
MERGE INTO energy.meter_daily AS day
USING (SELECT * FROM redone ORDER BY local_date, mpan, register) AS fresh
ON day.local_date = ANY({days}::date[])
  AND (day.local_date, day.mpan, day.register) = (fresh.local_date, fresh.mpan, fresh.register)
WHEN MATCHED AND fresh.total_kwh IS NULL THEN DELETE
WHEN MATCHED AND (day.total_kwh, day.peak_kwh, day.is_half_hourly, day.min_kwh, day.max_kwh, day.reading_count,
         day.expected_count, day.estimated_kwh)
    IS DISTINCT FROM (fresh.total_kwh, fresh.peak_kwh, fresh.is_half_hourly, fresh.min_kwh, fresh.max_kwh,
         fresh.reading_count, fresh.expected_count, fresh.estimated_kwh) THEN UPDATE
  SET (total_kwh, peak_kwh, off_peak_kwh, is_half_hourly, min_kwh, max_kwh, reading_count, expected_count, actual_kwh,
       estimated_kwh, aggregated_at)
    = (fresh.total_kwh, fresh.peak_kwh, fresh.total_kwh - fresh.peak_kwh, fresh.is_half_hourly, fresh.min_kwh,
       fresh.max_kwh, fresh.reading_count, fresh.expected_count, fresh.total_kwh - fresh.estimated_kwh,
       fresh.estimated_kwh, clock_timestamp())
WHEN NOT MATCHED AND fresh.total_kwh IS NOT NULL THEN
  INSERT (local_date, mpan, register, total_kwh, peak_kwh, off_peak_kwh, is_half_hourly, min_kwh, max_kwh,
    reading_count, expected_count, actual_kwh, estimated_kwh)
  VALUES (fresh.local_date, fresh.mpan, fresh.register, fresh.total_kwh, fresh.peak_kwh,
    fresh.total_kwh - fresh.peak_kwh, fresh.is_half_hourly, fresh.min_kwh, fresh.max_kwh, fresh.reading_count,
    fresh.expected_count, fresh.total_kwh - fresh.estimated_kwh, fresh.estimated_kwh)
