-- Refused lines that are settled.
DELETE FROM ledger.influx_quarantine WHERE resolved_at < %(cutoff)s RETURNING quarantine_id, dataset
