-- The window's rows of the ledger, until this transaction ends.
SELECT FROM ledger.window WHERE dataset = %(dataset)s AND window_start = %(start)s ORDER BY scope FOR UPDATE
