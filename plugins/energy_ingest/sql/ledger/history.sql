-- What the last answers of a dataset cost, per window; windows that came in one answer share its bytes and seconds.
WITH recent AS (
  SELECT request, response_sha256, run_id, try_number, started_at, completed_at, total_rows, response_bytes
  FROM ledger.import_job
  WHERE dataset = %(dataset)s AND scope = %(scope)s AND status = 'completed' AND total_rows > 0 AND import_type <> 'replay'
  ORDER BY job_id DESC LIMIT 500
), answer AS (
  SELECT count(*) AS windows, sum(total_rows) AS rows, max(response_bytes) AS bytes,
         extract(epoch FROM max(completed_at) - min(started_at)) AS seconds
  FROM recent GROUP BY request, response_sha256, run_id, try_number
)
SELECT (sum(rows) / sum(windows))::float8, (sum(bytes) / sum(windows))::float8, (sum(seconds) / sum(windows))::float8
FROM answer HAVING count(*) > 0
