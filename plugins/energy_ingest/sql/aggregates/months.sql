-- The months that have dirty days, oldest first, with their dirty dates, and the share of their meters that is dirty.
SELECT array_agg(DISTINCT local_date ORDER BY local_date),
       count(*)::float / count(DISTINCT local_date) / (SELECT greatest(count(*), 1) FROM energy.meter)
FROM energy.meter_dirty GROUP BY date_trunc('month', local_date::timestamp) ORDER BY 1
