-- The newest value of each key figure, and how it moved since.
SELECT name, (array_agg(value ORDER BY at DESC))[1] AS value, (array_agg(target ORDER BY at DESC))[1] AS target,
       (array_agg(is_met ORDER BY at DESC))[1] AS is_met, max(at) AS measured_at,
       jsonb_agg(jsonb_build_array(at, value) ORDER BY at) AS history
FROM (
  SELECT DISTINCT ON (name, date_trunc(%(unit)s, measured_at)) name, measured_at AS at, value, target, is_met
  FROM ledger.kpi WHERE measured_at >= %(since)s
  ORDER BY name, date_trunc(%(unit)s, measured_at), measured_at DESC
) AS figure
GROUP BY name ORDER BY name
