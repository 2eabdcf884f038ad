-- Messages that arrived or were given up, of incidents that are over; and old tests.
DELETE FROM ledger.alert_delivery AS d
WHERE d.created_at < %(cutoff)s AND (d.delivered_at IS NOT NULL OR d.given_up_at IS NOT NULL) AND NOT EXISTS (
  SELECT FROM ledger.incident AS i
  WHERE i.incident_id = d.incident_id AND (i.resolved_at IS NULL OR i.resolved_at >= %(cutoff)s))
RETURNING delivery_id, channel, kind
