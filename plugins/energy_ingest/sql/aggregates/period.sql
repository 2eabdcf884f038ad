-- Sum up the weeks, months or years that have redone days; one whose days are all gone goes, too. The range of dates lets
-- each read its part of the tables only.
WITH touched AS (
  SELECT DISTINCT date_trunc({unit}, local_date::timestamp)::date AS first_date, mpan, register FROM redone
), fresh AS (
  SELECT touched.*, sum(total_kwh) AS total_kwh, sum(peak_kwh) AS peak_kwh, sum(off_peak_kwh) AS off_peak_kwh,
         min({lowest}) AS min_daily_kwh, max({highest}) AS max_daily_kwh, sum({days})::integer AS day_count,
         sum({half_hourly_days})::integer AS half_hourly_day_count, sum(reading_count)::integer AS reading_count,
         sum(expected_count)::integer AS expected_count, sum(actual_kwh) AS actual_kwh,
         sum(estimated_kwh) AS estimated_kwh
  FROM touched LEFT JOIN (SELECT * FROM {source} WHERE {part_start} BETWEEN {first} AND {last}) AS part
    ON date_trunc({unit}, part.{part_start}::timestamp)::date = touched.first_date
   AND part.mpan = touched.mpan AND part.register = touched.register
  GROUP BY 1, 2, 3
), gone AS (
  DELETE FROM {target} AS period USING fresh
  WHERE fresh.total_kwh IS NULL
    AND (period.{start}, period.mpan, period.register) = (fresh.first_date, fresh.mpan, fresh.register)
), written AS (
  INSERT INTO {target} AS period ({start}, mpan, register, total_kwh, peak_kwh, off_peak_kwh, min_daily_kwh,
    max_daily_kwh, day_count, half_hourly_day_count, reading_count, expected_count, actual_kwh, estimated_kwh)
  SELECT * FROM fresh WHERE total_kwh IS NOT NULL ORDER BY first_date, mpan, register
  ON CONFLICT ({start}, mpan, register) DO UPDATE
  SET (total_kwh, peak_kwh, off_peak_kwh, min_daily_kwh, max_daily_kwh, day_count, half_hourly_day_count,
       reading_count, expected_count, actual_kwh, estimated_kwh, aggregated_at)
    = (excluded.total_kwh, excluded.peak_kwh, excluded.off_peak_kwh, excluded.min_daily_kwh, excluded.max_daily_kwh,
       excluded.day_count, excluded.half_hourly_day_count, excluded.reading_count, excluded.expected_count,
       excluded.actual_kwh, excluded.estimated_kwh, excluded.aggregated_at)
  WHERE (period.total_kwh, period.peak_kwh, period.min_daily_kwh, period.max_daily_kwh, period.day_count,
         period.half_hourly_day_count, period.reading_count, period.expected_count, period.estimated_kwh)
    IS DISTINCT FROM (excluded.total_kwh, excluded.peak_kwh, excluded.min_daily_kwh, excluded.max_daily_kwh,
         excluded.day_count, excluded.half_hourly_day_count, excluded.reading_count, excluded.expected_count,
         excluded.estimated_kwh)
  RETURNING 1
)
SELECT count(*) FROM written
