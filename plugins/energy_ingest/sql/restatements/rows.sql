-- Every version of the values of a settlement date that moved; the value that moved furthest first, behind the one that a
-- page ended with. Only what has former versions is looked at: most of a day has none.
WITH former AS (
  SELECT {key}, min({value}) AS low, max({value}) AS high
  FROM {table_revision} WHERE settlement_date = %(day)s GROUP BY {key}
), page AS (
  SELECT {key}, greatest(high, {value}) - least(low, {value}) AS moved
  FROM former LEFT JOIN (SELECT {key}, {value} FROM {table} WHERE settlement_date = %(day)s) AS now USING ({key})
  WHERE greatest(high, {value}) > least(low, {value}) {behind}
  ORDER BY moved DESC, {key} LIMIT %(limit)s
)
SELECT page.*, version.* FROM page CROSS JOIN LATERAL (
  SELECT version_id AS version, {run} AS run, {value} AS value, {change} AS change, known_from,
         CASE WHEN NOT is_current THEN known_to END AS known_to
  FROM {view} AS view WHERE settlement_date = %(day)s AND {same_key}
) AS version ORDER BY moved DESC, {key}, version
