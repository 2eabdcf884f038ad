-- The register of BM units as it is now; what is the same is not written.
INSERT INTO energy.bm_unit AS known (bm_unit, fuel_type, generation_capacity_mw, demand_capacity_mw)
SELECT * FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::numeric[])
ON CONFLICT (bm_unit) DO UPDATE
SET fuel_type = excluded.fuel_type, generation_capacity_mw = excluded.generation_capacity_mw,
    demand_capacity_mw = excluded.demand_capacity_mw, recorded_at = clock_timestamp()
WHERE (known.fuel_type, known.generation_capacity_mw, known.demand_capacity_mw)
  IS DISTINCT FROM (excluded.fuel_type, excluded.generation_capacity_mw, excluded.demand_capacity_mw)
