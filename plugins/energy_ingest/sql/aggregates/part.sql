-- Days, weeks or months as parts of a longer period.
SELECT {first_of} AS first_date, mpan, register, total_kwh, peak_kwh, off_peak_kwh, {lowest} AS lowest,
       {highest} AS highest, {days} AS days, {half_hourly_days} AS half_hourly_days, reading_count, expected_count,
       estimated_kwh
FROM {table} WHERE {start} BETWEEN {first} AND {last} {of_the_dirty}
