"""Checked rows into PostgreSQL: ledger, archive, pacing, merge. No Airflow here; connections come from outside."""
