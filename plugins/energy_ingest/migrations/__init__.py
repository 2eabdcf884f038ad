"""Schema versions of the warehouse (Alembic). A released version is never edited; a change is a new version."""
