"""`energy-ingest`: what is loaded, what is missing, and how to change that. Works without Airflow running."""

from energy_ingest.cli.app import app, main

__all__ = ["app", "main"]
