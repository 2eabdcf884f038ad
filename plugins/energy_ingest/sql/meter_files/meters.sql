-- Meters of a piece: new ones under the job's default site, and new registers of known ones.
INSERT INTO energy.meter AS m (mpan, registers, site_id, job_id)
SELECT mpan, array_agg(register ORDER BY register), %(site_id)s, %(job_id)s
FROM unnest(%(mpans)s::text[], %(registers)s::text[]) AS seen (mpan, register) GROUP BY mpan
ON CONFLICT (mpan) DO UPDATE SET registers = (
  SELECT array_agg(DISTINCT register ORDER BY register) FROM unnest(m.registers || excluded.registers) AS register)
WHERE NOT m.registers @> excluded.registers
