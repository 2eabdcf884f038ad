"""Airflow operators: thin glue between a run and the library."""
