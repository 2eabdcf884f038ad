-- Values at fault among the days that are checked.
CREATE TEMPORARY TABLE fault (
  rule text, severity text, subject text COLLATE "C", day date, item integer, value numeric, expected numeric,
  job_id bigint
) ON COMMIT DROP
