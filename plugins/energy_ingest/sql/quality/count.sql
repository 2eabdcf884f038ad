-- How many values each day has of each job, how many are at fault or missing.
INSERT INTO ledger.quality_count (dataset, day, job_id, value_count, missing_count, red_count, amber_count, checked_at)
SELECT {dataset}, day, job_id, sum(given), sum(missing), sum(red), sum(amber), {now} FROM (
  SELECT day, job_id, count(*) AS given, 0 AS missing, 0 AS red, 0 AS amber FROM ({series}) AS series GROUP BY 1, 2
  UNION ALL
  SELECT day, job_id, 0, count(*) FILTER (WHERE job_id = 0), count(*) FILTER (WHERE job_id > 0 AND red),
         count(*) FILTER (WHERE job_id > 0 AND NOT red)
  FROM (SELECT day, job_id, subject, item, bool_or(severity = 'red') AS red FROM fault GROUP BY 1, 2, 3, 4) AS value
  GROUP BY 1, 2
) AS part GROUP BY day, job_id
