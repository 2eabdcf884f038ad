-- The settlement date asked for, or else the newest with former versions; and those with former versions beside it.
SELECT day, (SELECT max(settlement_date) FROM {table_revision} WHERE settlement_date < day) AS before,
       (SELECT min(settlement_date) FROM {table_revision} WHERE settlement_date > day) AS after
FROM (SELECT coalesce(%(day)s::date, (SELECT max(settlement_date) FROM {table_revision})) AS day) AS asked
