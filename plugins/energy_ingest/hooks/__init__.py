"""Airflow hooks: the way from connections to sessions and database connections."""
