-- Note how it ended: with an error it is never `completed`.
UPDATE ledger.execution
SET status = CASE WHEN %(errors)s > 0 THEN 'failed' ELSE 'completed' END, completed_at = clock_timestamp(),
    processed = %(processed)s, errors = %(errors)s, warnings = %(warnings)s, message = %(message)s,
    details = %(details)s
WHERE execution_id = %(execution_id)s
