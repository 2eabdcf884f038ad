-- Look up the half hours of each dirty meter, instead of reading those of all meters.
JOIN (SELECT slot AS period_start, mpan, register
      FROM taken, generate_series({start}, {end} - interval '30 minutes', interval '30 minutes') AS slot
      WHERE local_date = {day}::date) AS dirty
  ON (dirty.period_start, dirty.mpan, dirty.register) = (reading.period_start, reading.mpan, reading.register)
