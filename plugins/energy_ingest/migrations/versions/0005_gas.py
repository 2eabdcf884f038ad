"""National Gas's gas quality; capacity of Energy Transfer's pipelines, and what each posted file is worth."""

from __future__ import annotations

from alembic import op

from energy_ingest.migrations.dataset_table import create_dataset_table, drop_dataset_table

revision = "0005"
down_revision = "0004"

TEXT = 'text COLLATE "C"'
GAS_QUALITY = {
    "published_at": "timestamptz NOT NULL",
    "site_id": "integer NOT NULL",
    "published_stamp": f"{TEXT} NOT NULL",
    "site_name": TEXT,
    "area_name": TEXT,
    "cv_mj_per_m3": "numeric",
    "cv_24h_mj_per_m3": "numeric",
    "relative_density": "numeric",
    "relative_density_24h": "numeric",
    "wobbe_index_mj_per_m3": "numeric",
    "co2_mol_percent": "numeric",
    "n2_mol_percent": "numeric",
    "other_metrics": "jsonb",
}
CAPACITY = {
    "gas_day": "date NOT NULL",
    "nomination_cycle": f"{TEXT} NOT NULL",
    "asset": f"{TEXT} NOT NULL",
    "loc": f"{TEXT} NOT NULL",
    "flow_ind": f"{TEXT} NOT NULL",
    "loc_zone": TEXT,
    "loc_name": TEXT,
    "loc_purpose": TEXT,
    "loc_qti": TEXT,
    "design_capacity_dth_per_day": "numeric",
    "operating_capacity_dth_per_day": "numeric",
    "total_scheduled_quantity_dth_per_day": "numeric",
    "operationally_available_capacity_dth_per_day": "numeric",
    "interruptible_ind": f"{TEXT} NOT NULL",
    "auth_overrun_ind": f"{TEXT} NOT NULL",
    "nom_cap_exceed_ind": f"{TEXT} NOT NULL",
    "all_qty_avail": f"{TEXT} NOT NULL",
    "qty_reason": TEXT,
    "gas_day_start": "timestamptz NOT NULL",
}
POSTING_KEY = ("gas_day", "nomination_cycle", "asset", "loc", "flow_ind")

FILE_QUALITY = """
CREATE TABLE energy.capacity_file_quality (
  job_id bigint PRIMARY KEY REFERENCES ledger.import_job (job_id),
  dataset text NOT NULL,
  asset text NOT NULL,
  gas_day date NOT NULL,
  nomination_cycle text NOT NULL,
  due_at timestamptz NOT NULL,
  retrieved_at timestamptz NOT NULL,
  rows integer NOT NULL,
  locations integer NOT NULL,
  quarantined_rows integer NOT NULL,
  duplicate_rows integer NOT NULL,
  bad_flags integer NOT NULL,
  wrong_oac integer NOT NULL,
  blank_quantities integer NOT NULL,
  completeness numeric,
  outliers integer NOT NULL,
  previous_rows integer,
  score numeric NOT NULL
);
CREATE INDEX capacity_file_quality_posting ON energy.capacity_file_quality (asset, due_at);
COMMENT ON TABLE energy.capacity_file_quality IS 'One row for each loaded file; its header is always the exact one.';
COMMENT ON COLUMN energy.capacity_file_quality.bad_flags IS 'rows with a flag other than Y and N';
COMMENT ON COLUMN energy.capacity_file_quality.wrong_oac IS 'rows whose OAC is not OPC less TSQ';
COMMENT ON COLUMN energy.capacity_file_quality.completeness IS 'share of the quantities that are there, 0 to 1';
COMMENT ON COLUMN energy.capacity_file_quality.previous_rows IS 'rows of the posting before this one';
COMMENT ON COLUMN energy.capacity_file_quality.score IS '1 less the share of wrong and missing rows';
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT', 'energy.capacity_file_quality');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.capacity_file_quality');
"""


def upgrade() -> None:
    """Create the datasets and the report."""
    create_dataset_table("gas_quality", GAS_QUALITY, ("published_at", "site_id"), "national_gas")
    create_dataset_table("transwestern_capacity", CAPACITY, POSTING_KEY, "energy_transfer")
    create_dataset_table("energy_transfer_capacity", CAPACITY, POSTING_KEY, "energy_transfer")
    op.execute(FILE_QUALITY)


def downgrade() -> None:
    """Refuse to drop loaded data."""
    drop_dataset_table("gas_quality")
