SELECT data_provider AS subject, settlement_date AS day, settlement_period AS item, period_start AS at,
       CASE WHEN NOT is_placeholder THEN price_gbp_per_mwh END AS value, job_id
FROM energy.elexon_market_index WHERE settlement_date BETWEEN {since} AND {until}
