"""Pages and JSON inside the API server of Airflow, at /energy; only `gate` may be imported anywhere else."""
