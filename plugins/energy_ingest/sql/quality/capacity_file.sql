-- What a posted file is worth, from its staged rows: keys, flags, OAC = OPC - TSQ, blanks, outliers (beyond three times
-- the quartiles' distance), and how many rows the posting before it had. The score is 1 less the share of wrong rows.
WITH file AS (
  SELECT count(*) AS rows, count(DISTINCT loc) AS locations,
         count(*) FILTER (WHERE interruptible_ind NOT IN ('Y', 'N') OR auth_overrun_ind NOT IN ('Y', 'N')
                             OR nom_cap_exceed_ind NOT IN ('Y', 'N') OR all_qty_avail NOT IN ('Y', 'N')) AS bad_flags,
         count(*) FILTER (WHERE operationally_available_capacity_dth_per_day
                             <> operating_capacity_dth_per_day - total_scheduled_quantity_dth_per_day) AS wrong_oac,
         coalesce(sum(num_nulls(design_capacity_dth_per_day, operating_capacity_dth_per_day,
                                total_scheduled_quantity_dth_per_day, operationally_available_capacity_dth_per_day)), 0)
           AS blanks
  FROM {stage}
), spread AS (
  SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY operationally_available_capacity_dth_per_day) AS low,
         percentile_cont(0.75) WITHIN GROUP (ORDER BY operationally_available_capacity_dth_per_day) AS high
  FROM {stage}
), far AS (
  SELECT count(*) AS outliers FROM {stage}, spread
  WHERE operationally_available_capacity_dth_per_day NOT BETWEEN low - 3 * (high - low) AND high + 3 * (high - low)
), before AS (
  SELECT sum(rows) AS rows FROM (
    SELECT rows FROM energy.capacity_file_quality WHERE asset = %(asset)s AND due_at < %(due_at)s AND rows > 0
    ORDER BY due_at DESC, job_id DESC LIMIT 1
  ) AS posting
)
INSERT INTO energy.capacity_file_quality (job_id, dataset, asset, gas_day, nomination_cycle, due_at, retrieved_at, rows,
  locations, quarantined_rows, duplicate_rows, bad_flags, wrong_oac, blank_quantities, completeness, outliers,
  previous_rows, score)
SELECT %(job_id)s, %(dataset)s, %(asset)s, %(gas_day)s, %(cycle)s, %(due_at)s, %(retrieved_at)s, file.rows, locations,
       %(quarantined)s, %(duplicates)s, bad_flags, wrong_oac, blanks,
       CASE WHEN file.rows > 0 THEN round(1 - blanks / (4.0 * file.rows), 4) END, outliers, before.rows,
       round(greatest(0, 1 - (%(quarantined)s + %(duplicates)s + bad_flags + wrong_oac
             + greatest(0, coalesce(before.rows, 0) - file.rows)) / (file.rows + %(quarantined)s)::numeric), 3)
FROM file, far, before
