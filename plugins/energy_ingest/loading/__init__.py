"""Getting checked rows into PostgreSQL: ledger, archive, pacing, merge. Connections come from outside, not from Airflow."""
