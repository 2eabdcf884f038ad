-- Sum up the weeks, months or years that have redone days, reading only their dates and meters: one that comes out the
-- same is not written, and one whose days are all gone goes. {start} is set, too: PostgreSQL 18 otherwise parses the
-- expression of the generated last date for each row.
MERGE INTO {target} AS period
USING (
  SELECT *
  FROM (SELECT DISTINCT {first_of} AS first_date, mpan, register FROM taken) AS touched
  LEFT JOIN (
    SELECT first_date, mpan, register, sum(total_kwh) AS total_kwh, sum(peak_kwh) AS peak_kwh,
           sum(off_peak_kwh) AS off_peak_kwh, min(lowest) AS min_daily_kwh, max(highest) AS max_daily_kwh,
           sum(days)::integer AS day_count, sum(half_hourly_days)::integer AS half_hourly_day_count,
           sum(reading_count)::integer AS reading_count, sum(expected_count)::integer AS expected_count,
           sum(estimated_kwh) AS estimated_kwh
    FROM (
{parts}
    ) AS part
    GROUP BY 1, 2, 3
  ) AS parts USING (first_date, mpan, register)
  ORDER BY first_date, mpan, register
) AS fresh
ON period.{start} BETWEEN {first} AND {last}
  AND (period.{start}, period.mpan, period.register) = (fresh.first_date, fresh.mpan, fresh.register)
WHEN MATCHED AND fresh.total_kwh IS NULL THEN DELETE
WHEN MATCHED AND (period.total_kwh, period.peak_kwh, period.min_daily_kwh, period.max_daily_kwh, period.day_count,
         period.half_hourly_day_count, period.reading_count, period.expected_count, period.estimated_kwh)
    IS DISTINCT FROM (fresh.total_kwh, fresh.peak_kwh, fresh.min_daily_kwh, fresh.max_daily_kwh, fresh.day_count,
         fresh.half_hourly_day_count, fresh.reading_count, fresh.expected_count, fresh.estimated_kwh) THEN UPDATE
  SET ({start}, total_kwh, peak_kwh, off_peak_kwh, min_daily_kwh, max_daily_kwh, day_count, half_hourly_day_count,
       reading_count, expected_count, actual_kwh, estimated_kwh, aggregated_at)
    = (fresh.first_date, fresh.total_kwh, fresh.peak_kwh, fresh.off_peak_kwh, fresh.min_daily_kwh, fresh.max_daily_kwh,
       fresh.day_count, fresh.half_hourly_day_count, fresh.reading_count, fresh.expected_count,
       fresh.total_kwh - fresh.estimated_kwh, fresh.estimated_kwh, clock_timestamp())
WHEN NOT MATCHED AND fresh.total_kwh IS NOT NULL THEN
  INSERT ({start}, mpan, register, total_kwh, peak_kwh, off_peak_kwh, min_daily_kwh, max_daily_kwh, day_count,
    half_hourly_day_count, reading_count, expected_count, actual_kwh, estimated_kwh)
  VALUES (fresh.first_date, fresh.mpan, fresh.register, fresh.total_kwh, fresh.peak_kwh, fresh.off_peak_kwh,
    fresh.min_daily_kwh, fresh.max_daily_kwh, fresh.day_count, fresh.half_hourly_day_count, fresh.reading_count,
    fresh.expected_count, fresh.total_kwh - fresh.estimated_kwh, fresh.estimated_kwh)
