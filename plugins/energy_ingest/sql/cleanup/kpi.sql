-- Old key figures.
DELETE FROM ledger.kpi WHERE measured_at < %(kpi_cutoff)s RETURNING measured_at, name
