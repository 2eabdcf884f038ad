"""Data quality: what is to be checked, what was found, and how much of each file and day is right."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

MARKS = """
CREATE TABLE ledger.quality_mark (
  mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset text NOT NULL,
  day date NOT NULL
);
CREATE INDEX quality_mark_day ON ledger.quality_mark (dataset, day);
COMMENT ON TABLE ledger.quality_mark IS
  'Days whose data changed since they were checked. Rows are only added, so no load waits for another or for a check.';

-- What was loaded before there were checks.
INSERT INTO ledger.quality_mark (dataset, day)
SELECT DISTINCT dataset, label FROM ledger.window WHERE state IN ('complete', 'partial')
UNION ALL SELECT DISTINCT 'meter_files', local_date FROM energy.meter_daily;
"""

ISSUES = """
CREATE TABLE ledger.quality_issue (
  issue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset text NOT NULL,
  rule text NOT NULL,
  subject text COLLATE "C" NOT NULL,
  day date NOT NULL,
  severity text NOT NULL CHECK (severity IN ('red', 'amber')),
  value_count integer NOT NULL,
  detail jsonb NOT NULL,
  occurrences integer NOT NULL DEFAULT 1,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  resolved_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  note text,
  UNIQUE (dataset, rule, subject, day),
  CONSTRAINT someone_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE INDEX quality_issue_day ON ledger.quality_issue (day, dataset);
CREATE INDEX quality_issue_open ON ledger.quality_issue (severity, dataset, rule) WHERE resolved_at IS NULL;
COMMENT ON TABLE ledger.quality_issue IS
  'A rule that does not hold for a subject on a day. It is resolved by itself when the data comes right.';
COMMENT ON COLUMN ledger.quality_issue.subject IS
  'BM unit, data provider, site, location and direction, mpan/register (personal data), or `market`';
COMMENT ON COLUMN ledger.quality_issue.day IS 'settlement date, gas day or local date, as the dataset has it';
COMMENT ON COLUMN ledger.quality_issue.value_count IS 'values at fault; of what is missing: values that are not there';
COMMENT ON COLUMN ledger.quality_issue.detail IS
  '{"items": [{"item": "14", "value": 3.2, "expected": 1.1}]}, at most 50 of them; what is missing has no value';
COMMENT ON COLUMN ledger.quality_issue.occurrences IS 'how often it came up: 1, and 1 more each time it came back';
COMMENT ON COLUMN ledger.quality_issue.last_seen IS 'the last check that found it';
COMMENT ON COLUMN ledger.quality_issue.acknowledged_at IS
  'somebody knows: it fails no run and sends no alert. Void when it comes back, or grows.';
"""

SCORES = """
CREATE TABLE ledger.quality_count (
  dataset text NOT NULL,
  day date NOT NULL,
  job_id bigint NOT NULL,
  value_count integer NOT NULL DEFAULT 0,
  missing_count integer NOT NULL DEFAULT 0,
  red_count integer NOT NULL DEFAULT 0,
  amber_count integer NOT NULL DEFAULT 0,
  checked_at timestamptz NOT NULL,
  PRIMARY KEY (dataset, day, job_id)
);
CREATE INDEX quality_count_job ON ledger.quality_count (job_id);
COMMENT ON TABLE ledger.quality_count IS
  'What the last check of a day counted, by the job that brought the values; job 0 stands for what is missing.';
COMMENT ON COLUMN ledger.quality_count.red_count IS 'values with a red issue, each counted once';
COMMENT ON COLUMN ledger.quality_count.amber_count IS 'values with amber issues only, each counted once';

CREATE VIEW ledger.quality_day_score AS
SELECT dataset, day, sum(value_count)::integer AS value_count, sum(missing_count)::integer AS missing_count,
  sum(red_count)::integer AS red_count, sum(amber_count)::integer AS amber_count,
  round(1 - (sum(missing_count) + sum(red_count) + 0.25 * sum(amber_count))
        / nullif(sum(value_count) + sum(missing_count), 0), 4) AS score, max(checked_at) AS checked_at
FROM ledger.quality_count GROUP BY dataset, day;
COMMENT ON VIEW ledger.quality_day_score IS
  '1 less the share of values that are missing or red, or, at a quarter, amber: 0 to 1; NULL where there is no value.';

CREATE VIEW ledger.quality_file_score AS
SELECT c.job_id, c.dataset, j.file_name, min(c.day) AS first_day, max(c.day) AS last_day,
  sum(c.value_count)::integer AS value_count, j.quarantined_rows, sum(c.red_count)::integer AS red_count,
  sum(c.amber_count)::integer AS amber_count,
  round(1 - (j.quarantined_rows + sum(c.red_count) + 0.25 * sum(c.amber_count))
        / nullif(sum(c.value_count) + j.quarantined_rows, 0), 4) AS score, max(c.checked_at) AS checked_at
FROM ledger.quality_count AS c JOIN ledger.import_job AS j ON j.job_id = c.job_id
GROUP BY c.job_id, c.dataset, j.file_name, j.quarantined_rows;
COMMENT ON VIEW ledger.quality_file_score IS
  'A file or an answer of an API, by its values that are in force: 1 less the share quarantined, red, a quarter amber.';
"""

UNITS = """
CREATE TABLE energy.bm_unit (
  bm_unit text COLLATE "C" PRIMARY KEY,
  fuel_type text,
  generation_capacity_mw numeric,
  demand_capacity_mw numeric,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE energy.bm_unit IS 'Register of BM units, for the checks that need fuel and capacity.';
COMMENT ON COLUMN energy.bm_unit.demand_capacity_mw IS '0 or less';
"""

GRANTS = """
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, DELETE', 'ledger.quality_mark');
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'ledger.quality_issue');
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE, DELETE', 'ledger.quality_count');
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'energy.bm_unit');
SELECT ledger.grant_to('energy_loader', 'SELECT', 'ledger.quality_day_score');
SELECT ledger.grant_to('energy_loader', 'SELECT', 'ledger.quality_file_score');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.quality_mark');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.quality_issue');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.quality_count');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.bm_unit');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.quality_day_score');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.quality_file_score');
"""


def upgrade() -> None:
    """Create marks, issues, counts with their scores, and the register of BM units."""
    for part in (MARKS, ISSUES, SCORES, UNITS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Refuse: it would be forgotten what people acknowledged."""
    raise RuntimeError("it would be forgotten what people acknowledged: restore a backup instead of downgrading")
