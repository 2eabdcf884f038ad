-- What was judged again and is not at fault has come right.
UPDATE ledger.quality_issue AS issue SET resolved_at = %(now)s
WHERE dataset = %(dataset)s AND day BETWEEN %(first)s AND %(last)s AND resolved_at IS NULL AND last_seen < %(now)s
