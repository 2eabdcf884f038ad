-- Of labels long past, by dataset: the windows in all, those that are gaps, how many labels with one are newer than the newest
-- data, and the oldest labels with one. A calendar has the same parts for each of these labels: what the ledger lacks is missing.
-- All windows are only counted; labels are looked at where they have a gap, or where a dataset lacks something.
WITH calendar AS (
  SELECT * FROM unnest(%(datasets)s::text[], %(firsts)s::date[], %(lasts)s::date[], %(numbers)s::bigint[], %(newest)s::date[])
                AS c (dataset, first, last, number, newest)
), scope AS (
  SELECT dataset, scope, first, last
  FROM unnest(%(of)s::text[], %(scopes)s::text[]) AS asked (dataset, scope) JOIN calendar USING (dataset)
), held AS (
  SELECT dataset, count(*) AS there,
         count(*) FILTER (WHERE label BETWEEN first AND last AND part = ANY (%(parts)s::text[])) AS expected
  FROM scope JOIN ledger.window USING (dataset, scope)
  WHERE label BETWEEN %(first)s AND %(last)s GROUP BY dataset
), expected AS (
  SELECT dataset, day::date AS label, number FROM calendar LEFT JOIN held USING (dataset),
         generate_series(first::timestamp, last::timestamp, '1 day') AS day
  WHERE coalesce(expected, 0) < number * (last - first + 1)
), known AS (
  SELECT dataset, label, count(*) AS there FROM scope JOIN ledger.window USING (dataset, scope)
  WHERE label BETWEEN %(first)s AND %(last)s AND dataset = ANY (SELECT DISTINCT dataset FROM expected)
  GROUP BY dataset, label
), missing AS (
  SELECT dataset, label, number - coalesce(there, 0) AS gaps FROM expected LEFT JOIN known USING (dataset, label)
  WHERE number > coalesce(there, 0)
), gap AS (
  SELECT dataset, label, sum(gaps) AS gaps FROM (
    SELECT dataset, label, 1 AS gaps FROM scope JOIN ledger.window USING (dataset, scope)
    WHERE label BETWEEN %(first)s AND %(last)s AND state <> ALL (%(fine)s::text[])
    UNION ALL SELECT * FROM missing) AS either
  GROUP BY dataset, label
), gaps AS (
  SELECT dataset, sum(gaps) AS gaps, count(*) FILTER (WHERE newest IS NULL OR label > newest) AS behind,
         (array_agg(label ORDER BY label))[1:coalesce(%(most)s::int, 2147483647)] AS oldest
  FROM gap JOIN calendar USING (dataset) GROUP BY dataset
)
SELECT dataset, coalesce(there, 0)
         + coalesce((SELECT sum(m.gaps) FROM missing AS m WHERE m.dataset = calendar.dataset), 0)::bigint,
       coalesce(gaps, 0)::bigint, coalesce(behind, 0), coalesce(oldest, '{}')
FROM calendar LEFT JOIN held USING (dataset) LEFT JOIN gaps USING (dataset)
