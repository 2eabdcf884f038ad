-- Put what was redone into the days: a day without readings goes, one that is what it was stays as it is.
WITH gone AS (
  DELETE FROM energy.meter_daily AS day USING redone
  WHERE redone.total_kwh IS NULL
    AND (day.local_date, day.mpan, day.register) = (redone.local_date, redone.mpan, redone.register)
), written AS (
  INSERT INTO energy.meter_daily AS day (local_date, mpan, register, total_kwh, peak_kwh, off_peak_kwh,
    is_half_hourly, min_kwh, max_kwh, reading_count, expected_count, actual_kwh, estimated_kwh)
  SELECT local_date, mpan, register, total_kwh, peak_kwh, total_kwh - peak_kwh, is_half_hourly, min_kwh, max_kwh,
         reading_count, expected_count, total_kwh - estimated_kwh, estimated_kwh
  FROM redone WHERE total_kwh IS NOT NULL ORDER BY local_date, mpan, register
  ON CONFLICT (local_date, mpan, register) DO UPDATE
  SET (total_kwh, peak_kwh, off_peak_kwh, is_half_hourly, min_kwh, max_kwh, reading_count, expected_count, actual_kwh,
       estimated_kwh, aggregated_at)
    = (excluded.total_kwh, excluded.peak_kwh, excluded.off_peak_kwh, excluded.is_half_hourly, excluded.min_kwh,
       excluded.max_kwh, excluded.reading_count, excluded.expected_count, excluded.actual_kwh,
       excluded.estimated_kwh, excluded.aggregated_at)
  WHERE (day.total_kwh, day.peak_kwh, day.is_half_hourly, day.min_kwh, day.max_kwh, day.reading_count,
         day.expected_count, day.estimated_kwh)
    IS DISTINCT FROM (excluded.total_kwh, excluded.peak_kwh, excluded.is_half_hourly, excluded.min_kwh,
         excluded.max_kwh, excluded.reading_count, excluded.expected_count, excluded.estimated_kwh)
  RETURNING 1
)
SELECT count(*) FROM written
