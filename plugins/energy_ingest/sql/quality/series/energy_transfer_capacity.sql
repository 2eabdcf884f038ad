SELECT asset || ' ' || loc || ' ' || flow_ind || ' ' || nomination_cycle AS subject, gas_day AS day, 1 AS item,
       gas_day_start AS at, operationally_available_capacity_dth_per_day AS value, job_id
FROM energy.energy_transfer_capacity WHERE gas_day BETWEEN {since} AND {until}
