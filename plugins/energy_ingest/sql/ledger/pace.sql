-- Reserve the next slot of an upstream or a path, if it is near; returns its instant and the seconds to wait for it.
INSERT INTO ledger.request_slot AS slot (upstream, next_at) VALUES (%(name)s, clock_timestamp() + %(gap)s)
ON CONFLICT (upstream) DO UPDATE SET next_at = greatest(slot.next_at, clock_timestamp()) + %(gap)s
WHERE slot.next_at <= clock_timestamp() + %(patience)s
RETURNING next_at - %(gap)s, extract(epoch FROM next_at - %(gap)s - clock_timestamp())::float8
