-- A short system (P) has a positive imbalance volume, a long one (N) a negative one.
SELECT 'market' AS subject, settlement_date AS day, settlement_period AS item, net_imbalance_volume_mwh AS value,
       NULL::numeric AS expected, job_id
FROM energy.elexon_system_prices
WHERE settlement_date BETWEEN {first} AND {last}
  AND (price_derivation_code = 'P' AND net_imbalance_volume_mwh < 0
       OR price_derivation_code = 'N' AND net_imbalance_volume_mwh > 0)
