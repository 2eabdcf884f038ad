-- What the marked days come to. A day that has half hours is their sum, even if some are missing; another one is its
-- daily total, if it has one.
CREATE TEMPORARY TABLE redone ON COMMIT DROP AS
WITH half_hours AS (
{half_hours}
)
SELECT mark.local_date, mark.mpan, mark.register, half.readings IS NOT NULL AS is_half_hourly,
       coalesce(half.total, day.quantity_kwh) AS total_kwh,
       CASE WHEN half.readings IS NOT NULL THEN coalesce(half.peak, 0) WHEN {totals_are_peak} THEN day.quantity_kwh END
         AS peak_kwh,
       CASE WHEN half.readings IS NOT NULL THEN coalesce(half.estimated, 0)
            WHEN day.reading_type = 'estimated' THEN day.quantity_kwh ELSE 0 END AS estimated_kwh,
       coalesce(half.lowest, day.quantity_kwh) AS min_kwh, coalesce(half.highest, day.quantity_kwh) AS max_kwh,
       coalesce(half.readings, 1) AS reading_count,
       CASE WHEN half.readings IS NOT NULL THEN energy.half_hours_of(mark.local_date) ELSE 1 END AS expected_count
FROM taken AS mark
LEFT JOIN half_hours AS half USING (local_date, mpan, register)
LEFT JOIN (SELECT * FROM energy.meter_daily_reading WHERE local_date = ANY({days}::date[])) AS day
  USING (local_date, mpan, register)
