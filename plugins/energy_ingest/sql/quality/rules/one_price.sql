-- One imbalance price since November 2015.
SELECT 'market' AS subject, settlement_date AS day, settlement_period AS item, system_buy_price_gbp_per_mwh AS value,
       system_sell_price_gbp_per_mwh AS expected, job_id
FROM energy.elexon_system_prices
WHERE settlement_date BETWEEN {first} AND {last} AND settlement_date >= '2015-11-05'
  AND system_buy_price_gbp_per_mwh <> system_sell_price_gbp_per_mwh
