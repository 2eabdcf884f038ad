"""The tables of docs/configuration.md: every variable, its default, where it may be set, an example.

The library's own are in `energy_ingest.settings`. What only docker compose and the tools of this repository read is
here; a test looks through the code for variables that are in neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from energy_ingest import catalog
from energy_ingest.settings import ADDRESSES, SETTINGS, Setting
from tools.bootstrap import ROOT

COMPOSE: Final[Mapping[str, str]] = {
    "AIRFLOW_EXECUTOR": "`CeleryExecutor` with `COMPOSE_PROFILES=celery`.",
    "COMPOSE_PROFILES": "Optional parts: `celery`, `mail`, `demo`.",
    "AIRFLOW_PARALLELISM": "Tasks at a time.",
    "AIRFLOW_API_WORKERS": "Processes of the API server.",
    "WORKER_CONCURRENCY": "Tasks of one Celery worker at a time.",
    "LOG_LEVEL": "Airflow's logging level.",
    "AIRFLOW_BASE_URL": "Airflow's address as browsers see it.",
    "GRAFANA_URL": "Grafana's.",
    "AIRFLOW_PORT": "Port on loopback.",
    "GRAFANA_PORT": "Port on loopback.",
    "INFLUXDB_PORT": "Port on loopback.",
    "MAIL_UI_PORT": "Port on loopback, of the mail catcher.",
    "WAREHOUSE_PORT": "Port on loopback.",
    "WAREHOUSE_HOST": "Host and port of the warehouse for Grafana.",
    "WAREHOUSE_DATABASE": "Database of the warehouse for Grafana.",
    "AIRFLOW_IMAGE": "Name of the image.",
    "AIRFLOW_UID": "User in the containers; its group is 0.",
    "AIRFLOW_ADMIN_PASSWORD": "Password of Airflow's user `admin`.",
    "AIRFLOW_API_SECRET_KEY": "Signs what the API server gives browsers.",
    "AIRFLOW_FERNET_KEY": "Encrypts connections in Airflow's database.",
    "AIRFLOW_JWT_SECRET": "Signs what tasks show the API server.",
    "GRAFANA_ADMIN_PASSWORD": "Password of Grafana's user `admin`.",
    "INFLUXDB_ADMIN_PASSWORD": "Password of InfluxDB's user `admin`.",
    "METADATA_ADMIN_PASSWORD": "Superuser of Airflow's database.",
    "METADATA_PASSWORD": "Airflow's user there.",
    "REDIS_PASSWORD": "Redis, for Celery.",
    "WAREHOUSE_ADMIN_PASSWORD": "Superuser of the warehouse.",
    "WAREHOUSE_OWNER_PASSWORD": "Role energy_owner.",
    "WAREHOUSE_LOADER_PASSWORD": "Role energy_loader.",
    "WAREHOUSE_READER_PASSWORD": "Role energy_reader.",
}
"""What docker-compose.yaml takes from `.env` for itself."""

TOOLS: Final[Mapping[str, str]] = {
    "ENERGY_STACK": "Folder of the local stack, instead of `.stack`.",
    "PYTHON": "Python that the environments are made with, such as `python3.12`.",
    "ROLE": "Role of `make psql`: `owner`, `loader` or `reader`.",
    "STATEMENT": "What `make psql SQL=...` asks.",
    "DESTDIR": "Root that `make install-systemd` installs below, instead of `/`.",
    "PG_BINDIR": "Folder of PostgreSQL's programs, instead of those in the wheel.",
    "CHROMIUM": "The browser that the tests of the pages drive.",
    "INFLUXD1": "InfluxDB 1's server, whose engine checks the queries of the dashboards.",
    "XDG_CACHE_HOME": "Where that server is kept.",
    "FROM": "First day of a run of `tools.side_by_side`, given by its harness.",
    "NDAYS": "Days of it.",
    "BASE": "Its upstream.",
    "DSN": "Its database.",
    "SCRATCH": "Its folder.",
}
"""What the local stack, the tests and the benchmarks of this repository read."""

OTHERS: Final = frozenset({"HOME", "PATH", "NO_PROXY", "PYTHONPATH", "CI", "AIRFLOW_CONFIG"})
"""Of the machine or of Airflow, not of ours."""

CONNECTIONS: Final[tuple[tuple[str, str, str | dict[str, Any]], ...]] = (
    ("energy_warehouse", "loading; role `energy_loader`", "postgresql://energy_loader:...@host:5432/warehouse"),
    ("energy_warehouse_owner", "migrations; role `energy_owner`", "postgresql://energy_owner:...@host:5432/warehouse"),
    ("energy_warehouse_reader", "pages; role `energy_reader`", "postgresql://energy_reader:...@host:5432/warehouse"),
    (
        "influxdb_default",
        "the [InfluxDB](influxdb.md) that follows",
        {
            "conn_type": "influxdb",
            "host": "https://influx.example.org:8086",
            "extra": {"token": "...", "org": "encora", "bucket": "SystemData"},
        },
    ),
    (
        "slack_default",
        "alerts by an incoming webhook",
        {"conn_type": "slackwebhook", "password": "https://hooks.slack.com/services/..."},
    ),
    (
        "slack_api_default",
        "alerts by Slack's API, to `ENERGY_SLACK_CHANNEL`",
        {"conn_type": "slack", "password": "xoxb-..."},
    ),
    (
        "smtp_default",
        "alerts by e-mail, to `ADMIN_EMAIL`",
        {
            "conn_type": "smtp",
            "host": "smtp.example.org",
            "port": 587,
            "login": "...",
            "password": "...",
            "extra": {"from_email": "energy@example.org", "disable_ssl": True},
        },
    ),
    (
        "energy_alert_webhook",
        "alerts to another system",
        {"conn_type": "http", "host": "https://alerts.example.org/hook", "password": "..."},
    ),
    (
        "energy_heartbeat",
        "a sign of life to a monitor outside",
        {"conn_type": "http", "host": "https://hc-ping.com/..."},
    ),
    *(
        (
            upstream.conn_id,
            f"another host than {upstream.host.removeprefix('https://')} (a proxy, a rehearsal), its time-out, headers",
            {"conn_type": "http", "host": "https://proxy.example.org", "extra": {"timeout": 60}},
        )
        for upstream in catalog.upstreams()
    ),
    (
        "sftp_default",
        "an inbox at `sftp://host/`, or another name in `sftp://<name>@host/`: [meter files](meter-files.md)",
        {"conn_type": "sftp", "login": "...", "password": "...", "extra": {"host_key": "..."}},
    ),
)
"""Connection, what for, and an example as it stands in AIRFLOW_CONN_<NAME> or a secret store."""


def tables() -> str:
    """Return what is generated of the page."""
    parts = (
        "## Settings",
        "May be set in the environment, or `.env` where that is read. Not as a connection: none is secret.",
        table(("variable", "default", "example", "meaning"), map(_setting, SETTINGS)),
        "## Addresses and secrets",
        "May be set in the environment, in `.env` where that is read, or as the connection, which a task prefers.",
        table(("variable", "default", "example", "connection", "meaning"), map(_address, ADDRESSES)),
        "## Airflow connections",
        "May be kept in a secret store, as `AIRFLOW_CONN_<NAME>`, or in Airflow. Each is optional but the warehouse.",
        table(("connection", "for", "example"), map(_connection, CONNECTIONS)),
        "## docker compose",
        "May be set in `.env` or the shell, beside all of the above: [containers](compose.md).",
        table(("variable", "default", "meaning"), _compose()),
        "## The local stack, tests and benchmarks of this repository",
        "May be set in the shell.",
        table(("variable", "meaning"), ((_code(name), text) for name, text in TOOLS.items())),
    )
    return "\n" + "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _setting(setting: Setting) -> tuple[str, ...]:
    return _code(setting.env), _code(setting.default), _code(setting.example), setting.doc


def _address(setting: Setting) -> tuple[str, ...]:
    return (*_setting(setting)[:3], _code(setting.conn_id), setting.doc)


def _connection(row: tuple[str, str, str | dict[str, Any]]) -> tuple[str, ...]:
    name, meaning, example = row
    return _code(name), meaning, _code(example if isinstance(example, str) else json.dumps(example))


def _compose() -> Iterable[tuple[str, ...]]:
    """Yield name, default as docker-compose.yaml has it, meaning."""
    text = (ROOT / "docker-compose.yaml").read_text()
    defaults = dict(re.findall(r"\$\{(\w+):-([^}$]*)\}", text))
    required = set(re.findall(r"\$\{(\w+):\?", text))
    for name, meaning in COMPOSE.items():
        yield _code(name), "(made by `make up`)" if name in required else _code(defaults.get(name, "")), meaning


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
