-- Windows that ever brought rows, whatever InfluxDB has of them.
SELECT window_start, max(window_end), max(label), max(part)
FROM ledger.window
WHERE dataset = %(dataset)s AND label BETWEEN %(first)s AND %(last)s AND influx_state IS NOT NULL
GROUP BY window_start
ORDER BY window_start
