"""Bring both schemas up to date and make the administrator; again at each start, where it changes nothing.

Airflow's own migration comes first and by its command line: it knows the tables of FAB too.
"""

from __future__ import annotations

import os
import subprocess

ADMIN = "admin"


def main() -> None:
    """Every step, in its order; one that fails ends the rest."""
    subprocess.run(["airflow", "db", "migrate"], check=True)
    make_admin(os.environ["AIRFLOW_ADMIN_PASSWORD"])
    subprocess.run(["python", "-m", "energy_ingest.cli", "migrate"], check=True)


def make_admin(password: str) -> None:
    """The administrator with this password. In this process, as a command line would show it."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from werkzeug.security import check_password_hash

    with get_application_builder() as builder:
        manager = builder.sm
        user = manager.find_user(ADMIN)
        if user is None:
            role = manager.find_role("Admin")
            made = manager.add_user(ADMIN, ADMIN, ADMIN, f"{ADMIN}@localhost", role, password=password)
            if not made:
                raise SystemExit("The administrator could not be made: the reason stands above.")
        elif not check_password_hash(user.password, password):
            manager.reset_password(user.id, password)


if __name__ == "__main__":
    main()
