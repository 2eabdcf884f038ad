-- Incidents that people may have to be told of; what explains one also does so for a while after it is over.
SELECT i.incident_id, i.occurrences, i.finding,
       EXISTS (
         SELECT FROM ledger.incident AS cause WHERE cause.fingerprint = i.inhibited_by
           AND (cause.resolved_at IS NULL OR cause.resolved_at > %(now)s - %(cool_down)s)
       ) AS inhibited,
       i.severity, i.opened_at, i.last_seen_at, i.resolved_at, i.is_digest, i.told, i.told_at, i.muted_until
FROM ledger.incident AS i WHERE i.resolved_at IS NULL OR i.told IS NOT NULL
ORDER BY i.incident_id
