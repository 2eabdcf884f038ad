SELECT 'market' AS subject, settlement_date AS day, settlement_period AS item, period_start AS at,
       system_sell_price_gbp_per_mwh AS value, job_id
FROM energy.elexon_system_prices WHERE settlement_date BETWEEN {since} AND {until}
