"""Secrets for docker compose, made once, and the start: `make up`, or python -m tools.compose up|down|secrets."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from dotenv import dotenv_values

from tools.bootstrap import ROOT, code_version
from tools.private import new_fernet_key, new_password, write_private

ENV = ROOT / ".env"
REQUIRED = re.compile(r"\$\{(\w+):\?")
TWIN = json.dumps({"conn_type": "http", "host": "http://twin:8099"})
UPSTREAMS = ("ELEXON", "NATIONAL_GAS", "ENERGY_TRANSFER")


def secret_names() -> list[str]:
    """What docker-compose.yaml refuses to start without."""
    return sorted(set(REQUIRED.findall((ROOT / "docker-compose.yaml").read_text())))


def add_secrets(path: Path = ENV) -> list[str]:
    """Add what is missing to `.env`, readable only by its owner; what it says already stays. The names added."""
    text = path.read_text() if path.exists() else ""
    known = dotenv_values(path) if path.exists() else {}
    missing = [name for name in secret_names() if not known.get(name)]
    if missing:
        head = text.rstrip("\n") + "\n\n" if text.strip() else ""
        made = "".join(f"{name}={_secret(name)}\n" for name in missing)
        write_private(path, f"{head}# secrets of docker compose, generated: keep a copy where backups are kept\n{made}")
    path.chmod(0o600)
    return missing


def _secret(name: str) -> str:
    return new_fernet_key() if name.endswith("FERNET_KEY") else new_password()


def environment(profiles: list[str], workers: int) -> dict[str, str]:
    """What the chosen profiles mean besides their containers."""
    env = dict(os.environ, ENERGY_CODE_VERSION=os.environ.get("ENERGY_CODE_VERSION") or code_version())
    if workers:
        profiles, env["AIRFLOW_EXECUTOR"] = [*profiles, "celery"], "CeleryExecutor"
    if "demo" in profiles:
        env |= {f"AIRFLOW_CONN_{name}_DEFAULT": TWIN for name in UPSTREAMS}
    if "mail" in profiles:
        env |= {"MAIL_HOST": "mail", "MAIL_PORT": "1025", "MAIL_ENCRYPTION": "none"}
        env["ADMIN_EMAIL"] = env.get("ADMIN_EMAIL") or "admin@localhost"
    if profiles:
        env["COMPOSE_PROFILES"] = ",".join(dict.fromkeys(profiles))
    return env


def compose(*arguments: str, env: dict[str, str]) -> None:
    """Run docker compose on this repository; its exit code is ours."""
    command = ["docker", "compose", "--project-directory", str(ROOT), *arguments]
    try:
        code = subprocess.run(command, env=env).returncode
    except FileNotFoundError:
        sys.exit("docker is not installed: https://docs.docker.com/engine/install/, or `make demo`, which needs none")
    if code:
        sys.exit(code)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(description="The whole stack in containers.")
    parser.add_argument("command", choices=("up", "down", "secrets"))
    parser.add_argument("--profiles", default="", help="celery, mail, demo; separated by blanks or commas")
    parser.add_argument("--workers", type=int, default=0, help="Celery workers; 0: the scheduler runs the tasks")
    chosen = parser.parse_args()
    profiles = re.findall(r"[\w-]+", chosen.profiles)
    if chosen.command == "down":
        return compose("--profile", "*", "down", env=dict(os.environ))
    if added := add_secrets():
        print(f"Added to {ENV}: {', '.join(added)}", file=sys.stderr)
    if chosen.command == "up":
        scale = ["--scale", f"worker={chosen.workers}"] if chosen.workers else []
        compose("up", "--build", "--detach", "--wait", *scale, env=environment(profiles, chosen.workers))
        print("Airflow: http://localhost:8080, user admin; Grafana: http://localhost:3000; passwords: .env")


if __name__ == "__main__":
    main()
