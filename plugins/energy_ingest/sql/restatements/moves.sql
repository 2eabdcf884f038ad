-- How the values of a settlement date moved, by the version that moved them.
SELECT {run} AS run, count(*)::integer AS values, sum({change}) AS net_change, sum(abs({change})) AS gross_change,
       min(known_from) AS first_known, max(known_from) AS last_known
FROM {view} WHERE settlement_date = %(day)s AND {change} <> 0 GROUP BY 1 ORDER BY 5, 1
