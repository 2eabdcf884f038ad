"""`python -m energy_ingest.cli`."""

from energy_ingest.cli.app import main

main()
