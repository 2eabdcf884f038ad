-- Incidents that are over, of which people were told everything.
DELETE FROM ledger.incident AS i WHERE resolved_at < %(cutoff)s AND told IS NULL
  AND NOT EXISTS (SELECT FROM ledger.alert_delivery AS d WHERE d.incident_id = i.incident_id)
RETURNING incident_id, rule, subject
