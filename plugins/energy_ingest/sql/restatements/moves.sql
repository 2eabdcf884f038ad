-- How the values of a settlement date moved, by the version that moved them. A version is known from when the one before
-- it was superseded, so pairs can be joined: the views number all versions of the date, which of the whole market takes
-- seconds.
SELECT run, count(*)::integer AS values, sum(change) AS net_change, sum(abs(change)) AS gross_change,
       min(known_from) AS first_known, max(known_from) AS last_known
FROM (
  SELECT coalesce(label, number::text) AS run, next.{value} - former.{value} AS change, next.recorded_from AS known_from
  FROM (SELECT *, 1 + row_number() OVER (PARTITION BY {key} ORDER BY recorded_from) AS number
        FROM {table_revision} WHERE settlement_date = %(day)s) AS former
  JOIN (SELECT {key}, {label} AS label, {value}, recorded_from FROM {table} WHERE settlement_date = %(day)s
        UNION ALL
        SELECT {key}, {label}, {value}, recorded_from FROM {table_revision} WHERE settlement_date = %(day)s
  ) AS next USING ({key})
  WHERE next.recorded_from = former.recorded_to
) AS pair WHERE change <> 0 GROUP BY run ORDER BY first_known, run
