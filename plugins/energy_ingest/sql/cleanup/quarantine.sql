-- Refused rows that are settled.
DELETE FROM ledger.quarantine WHERE resolved_at < %(cutoff)s RETURNING quarantine_id, dataset
