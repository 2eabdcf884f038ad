-- Lock a window; then, when was the newest answer that is loaded retrieved? Two statements: the second must see what the
-- first has waited for. Rows alone do not know: an answer that changed nothing left no trace on them.
SELECT pg_advisory_xact_lock(hashtextextended({place}, 0));
SELECT max(retrieved_at) FROM ledger.import_job
WHERE dataset = {dataset} AND scope IN ({scope}, 'all') AND window_start = {start} AND status = 'completed'
