-- Calorific value outside the band of gas that may be conveyed; 0 says that the analyser is out.
SELECT subject, day, item, value, CASE WHEN value < {low} THEN {low} ELSE {high} END::numeric AS expected, job_id
FROM ({series}) AS series WHERE day BETWEEN {first} AND {last} AND value NOT BETWEEN {low} AND {high}
