-- Operationally available is operating less scheduled capacity.
SELECT asset || ' ' || loc || ' ' || flow_ind || ' ' || nomination_cycle AS subject, gas_day AS day, 1 AS item,
       operationally_available_capacity_dth_per_day AS value,
       operating_capacity_dth_per_day - total_scheduled_quantity_dth_per_day AS expected, job_id
FROM {table}
WHERE gas_day BETWEEN {first} AND {last} AND operationally_available_capacity_dth_per_day
  <> operating_capacity_dth_per_day - total_scheduled_quantity_dth_per_day
