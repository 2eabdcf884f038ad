-- Why a window is not in InfluxDB; its rows still wait.
UPDATE ledger.window SET influx_state = %(state)s, influx_error = %(error)s
WHERE dataset = %(dataset)s AND window_start = %(start)s AND influx_state IS NOT NULL
