"""Set-up and local stack: the environments, an embedded PostgreSQL, Airflow and the twin on one machine."""
