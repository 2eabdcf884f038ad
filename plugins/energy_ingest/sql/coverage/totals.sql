-- Of labels long past, by dataset: the windows in all, those that are gaps, how many labels with one are newer than the newest
-- data, and the oldest labels with one. A calendar has as many windows for each of these labels: what the ledger lacks is
-- missing. Its days are gone through only where something is.
WITH calendar AS (
  SELECT * FROM unnest(%(datasets)s::text[], %(firsts)s::date[], %(lasts)s::date[], %(numbers)s::bigint[], %(newest)s::date[])
                AS c (dataset, first, last, number, newest)
), known AS MATERIALIZED (
  SELECT w.dataset, w.label, count(*) AS there, count(*) FILTER (WHERE w.state <> ALL (%(fine)s::text[])) AS gaps
  FROM unnest(%(of)s::text[], %(scopes)s::text[]) AS asked (dataset, scope) JOIN ledger.window AS w USING (dataset, scope)
  WHERE w.label BETWEEN %(first)s AND %(last)s
  GROUP BY w.dataset, w.label
), held AS (
  SELECT dataset, sum(there) AS there, sum(least(there, number)) FILTER (WHERE label BETWEEN first AND last) AS expected
  FROM known JOIN calendar USING (dataset) GROUP BY dataset
), missing AS (
  SELECT dataset, label, number - coalesce(known.there, 0) AS gaps
  FROM (SELECT dataset, day::date AS label, number FROM calendar LEFT JOIN held USING (dataset),
               generate_series(first::timestamp, last::timestamp, '1 day') AS day
        WHERE coalesce(expected, 0) < number * (last - first + 1)) AS short LEFT JOIN known USING (dataset, label)
  WHERE number > coalesce(known.there, 0)
), gap AS (
  SELECT dataset, label, sum(gaps) AS gaps
  FROM (SELECT dataset, label, gaps FROM known WHERE gaps > 0 UNION ALL SELECT * FROM missing) AS either
  GROUP BY dataset, label
), gaps AS (
  SELECT dataset, sum(gaps) AS gaps, count(*) FILTER (WHERE newest IS NULL OR label > newest) AS behind,
         (array_agg(label ORDER BY label))[1:coalesce(%(most)s::int, 2147483647)] AS oldest
  FROM gap JOIN calendar USING (dataset) GROUP BY dataset
)
SELECT dataset,
       (coalesce(there, 0) + coalesce((SELECT sum(m.gaps) FROM missing AS m WHERE m.dataset = calendar.dataset), 0))::bigint,
       coalesce(gaps, 0)::bigint, coalesce(behind, 0), coalesce(oldest, '{}')
FROM calendar LEFT JOIN held USING (dataset) LEFT JOIN gaps USING (dataset)
