-- Something is wrong: it is the open incident's, or that of one which was over within the cool-down, or a new one's.
-- Severity never falls while an incident is open. A finding without occurrence repeats what is known already.
WITH former AS (
  SELECT incident_id FROM ledger.incident
  WHERE fingerprint = %(fingerprint)s AND (resolved_at IS NULL OR resolved_at > %(now)s - %(cool_down)s)
  ORDER BY incident_id DESC LIMIT 1
), again AS (
  UPDATE ledger.incident
  SET last_seen_at = CASE WHEN %(occurred)s OR resolved_at IS NOT NULL THEN %(now)s ELSE last_seen_at END,
      occurrences = occurrences + (%(occurred)s OR resolved_at IS NOT NULL)::integer,
      severity = CASE WHEN resolved_at IS NULL AND severity = 'critical' THEN severity ELSE %(severity)s END,
      resolved_at = NULL, is_digest = is_digest AND %(digest)s, inhibited_by = %(inhibited_by)s, finding = %(finding)s
  WHERE incident_id = (SELECT incident_id FROM former)
)
INSERT INTO ledger.incident (fingerprint, rule, subject, severity, opened_at, last_seen_at, is_digest, inhibited_by, finding)
SELECT %(fingerprint)s, %(rule)s, %(subject)s, %(severity)s, %(now)s, %(now)s, %(digest)s, %(inhibited_by)s, %(finding)s
WHERE NOT EXISTS (SELECT FROM former)
