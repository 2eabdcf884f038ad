SELECT bm_unit AS subject, settlement_date AS day, settlement_period AS item, period_start AS at,
       quantity_mwh::numeric AS value, job_id
FROM energy.elexon_b1610 WHERE settlement_date BETWEEN {since} AND {until}
