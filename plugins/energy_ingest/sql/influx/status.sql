-- How far InfluxDB follows, for one dataset: windows written, waiting and refused, rows that wait, open refused lines.
WITH lag AS (
  SELECT sum(inserted_rows + revised_rows) AS rows, min(window_label) AS oldest
  FROM ledger.import_job WHERE dataset = %(dataset)s AND influx_pending
), refused AS (
  SELECT count(*) AS lines FROM ledger.influx_quarantine WHERE dataset = %(dataset)s AND resolved_at IS NULL
), window_state AS (
  SELECT count(*) FILTER (WHERE influx_state = 'written') AS written,
         count(*) FILTER (WHERE influx_state = 'pending') AS waiting,
         count(*) FILTER (WHERE influx_state = 'failed') AS failed,
         (array_agg(influx_error ORDER BY window_start) FILTER (WHERE influx_error IS NOT NULL))[1] AS error
  FROM ledger.window WHERE dataset = %(dataset)s
)
SELECT written, waiting, failed, coalesce(rows, 0)::bigint, oldest, lines, error FROM window_state, lag, refused
