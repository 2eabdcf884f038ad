"""Every environment variable that the library reads. Secrets and addresses may be Airflow connections as well.

There is no file of settings and no Airflow Variable: what runs has its settings from its environment, whoever fills
that. docs/configuration.md is written from here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from energy_ingest.errors import Misconfigured


@dataclass(frozen=True)
class Setting:
    """An environment variable: its default (as text), meaning, an example; the connection that it stands in for."""

    env: str
    default: str
    doc: str
    example: str = ""
    conn_id: str = ""

    def get(self) -> str:
        """The value in force, without surrounding blanks."""
        return os.environ.get(self.env, "").strip() or self.default

    def get_date(self) -> date | None:
        """The value as a date, or None where it is empty.

        Raises:
            Misconfigured: not an ISO date.
        """
        try:
            return date.fromisoformat(self.get()) if self.get() else None
        except ValueError:
            raise Misconfigured(
                f"{self.env}={self.get()!r} is not a date: use YYYY-MM-DD, such as 2024-01-01"
            ) from None

    def get_int(self) -> int:
        """The value as a positive whole number.

        Raises:
            Misconfigured: not a positive whole number.
        """
        if not self.get().isdecimal() or int(self.get()) == 0:
            raise Misconfigured(f"{self.env}={self.get()!r} is not a positive whole number: use, say, {self.default}")
        return int(self.get())

    def get_choice(self, *choices: str) -> str:
        """The value, which must be one of these.

        Raises:
            Misconfigured: it is another.
        """
        if self.get() not in choices:
            raise Misconfigured(f"{self.env}={self.get()!r} is unknown: use {' or '.join(choices)}")
        return self.get()

    def get_list(self) -> tuple[str, ...]:
        """The value as a comma-separated list, blanks and empty items dropped."""
        return tuple(item.strip() for item in self.get().split(",") if item.strip())


START = Setting(
    "ENERGY_START", "2024-01-01", "First settlement date (or gas day) that catch-up loads.", example="2023-04-01"
)
UNTIL = Setting(
    "ENERGY_UNTIL",
    "",
    "Last date that schedules load; empty means for ever. For rehearsals and replays.",
    example="2024-12-31",
)
ARCHIVE_URL = Setting(
    "ENERGY_ARCHIVE_URL",
    "",
    "Where raw answers are kept: file://, s3:// or gs:// URL.",
    example="s3://bucket/energy-archive",
)
BM_UNITS = Setting(
    "ENERGY_ELEXON_BM_UNITS",
    "2__DSTAT001,2__ESTAT003,2__ESTAT001,2__LSTAT003,2__HSTAT003",
    "BM units of elexon_b1610, comma-separated, or `all` for the whole market (440,496 rows a settlement day).",
    example="T_DRAXX-1,T_DRAXX-2",
)
CONCURRENCY = Setting("ENERGY_CONCURRENCY", "2", "Windows that one ingest task loads at the same time.", example="4")
DUE_LIMIT = Setting(
    "ENERGY_DUE_LIMIT",
    "60",
    "Most overdue or restated windows that the newest run takes on top of its own.",
    example="200",
)
RETRY_SECONDS = Setting(
    "ENERGY_RETRY_SECONDS", "300", "First delay before Airflow retries a task; doubles each time.", example="60"
)
NATIONAL_GAS_START = Setting(
    "ENERGY_NATIONAL_GAS_START",
    "",
    "First date of national_gas_quality; empty means ENERGY_START. A year is 17,520 runs of half an hour each.",
    example="2024-10-01",
)
STAMP_ZONE = Setting(
    "ENERGY_NATIONAL_GAS_STAMP_ZONE",
    "UTC",
    "Time zone of National Gas's time stamps where they name none, such as Europe/London.",
    example="Europe/London",
)
TRANSFER_ASSETS = Setting(
    "ENERGY_ENERGY_TRANSFER_ASSETS",
    "",
    "Pipelines of energy_transfer_capacity besides Transwestern, comma-separated, such as FGT,PEPL; empty: none.",
    example="FGT,PEPL",
)
CAPACITY_START = Setting(
    "ENERGY_CAPACITY_START",
    "",
    "First gas day of the capacity DAGs; empty means ENERGY_START. The pipelines must keep 90 days online.",
    example="2024-10-01",
)
CAPACITY_CYCLES = Setting(
    "ENERGY_CAPACITY_CYCLES",
    "0,1,3,4,7,5",
    "Nomination cycles whose postings are loaded: 0 Timely, 1 Evening, 3, 4, 7 Intraday 1 to 3, 5 Final.",
    example="1,3,4,7",
)
POSTING_POLL_SECONDS = Setting(
    "ENERGY_POSTING_POLL_SECONDS", "600", "Pause before a posting that is late is looked for again.", example="300"
)
BM_DATA_UNITS = Setting(
    "ENERGY_ELEXON_BM_DATA_UNITS",
    "2__DSTAT001,2__ESTAT003,2__ESTAT001,2__LSTAT003,2__HSTAT003",
    "BM units of elexon_boalf, elexon_bod and elexon_physical, comma-separated; one request each.",
    example="T_DRAXX-1",
)
ELEXON_POOL = Setting(
    "ENERGY_ELEXON_POOL", "default_pool", "Airflow pool of the Elexon tasks; it must exist.", example="elexon"
)
INFLUX_BATCH = Setting("ENERGY_INFLUX_BATCH", "5000", "Points in one write request to InfluxDB.", example="1000")
INFLUX_MAPPING = Setting(
    "ENERGY_INFLUX_MAPPING",
    "lean",
    "Mapping to InfluxDB: `lean`, `compat` or `both`; for one dataset such as `lean,elexon_b1610=both`.",
    example="lean,elexon_b1610=both",
)
INFLUX_MINUTES = Setting(
    "ENERGY_INFLUX_MINUTES", "30", "Longest time that a run works on what waits for InfluxDB.", example="10"
)
INBOX_URL = Setting(
    "ENERGY_INBOX_URL",
    "",
    "Where meter files arrive: file://, s3://, gs:// or sftp:// URL; empty: a local folder.",
    example="s3://bucket/energy-inbox",
)
INBOX_SETTLE_SECONDS = Setting(
    "ENERGY_INBOX_SETTLE_SECONDS",
    "30",
    "A meter file is taken once nobody has written to it for so long.",
    example="120",
)
INBOX_MAX_BYTES = Setting(
    "ENERGY_INBOX_MAX_BYTES", "1073741824", "Largest meter file that is taken, in bytes.", example="104857600"
)
INBOX_TYPE = Setting(
    "ENERGY_INBOX_TYPE", "hh", "Import type of files that lie in the inbox itself: hh, daily or sites.", example="daily"
)
METER_WORKERS = Setting(
    "ENERGY_METER_WORKERS", "2", "Runs of meter_files at the same time, each with one file in hand.", example="4"
)
METER_UNKNOWN = Setting(
    "ENERGY_METER_UNKNOWN",
    "create",
    "Readings of unknown meters: `create` the meter, or `quarantine` the readings.",
    example="quarantine",
)
METER_MPAN_CHECK = Setting(
    "ENERGY_METER_MPAN_CHECK",
    "warn",
    "MPANs with a wrong check digit: `warn`, `quarantine`, or `off`.",
    example="quarantine",
)
METER_ESTIMATES = Setting(
    "ENERGY_METER_ESTIMATES",
    "keep-actual",
    "Estimates where an actual is loaded: `keep-actual` or `overwrite`.",
    example="overwrite",
)
METER_PEAK = Setting(
    "ENERGY_METER_PEAK",
    "standard",
    "Peak in aggregates: `standard`, 07:00 to 23:00 UK time, end exclusive; `compat` counts the half hour at 23:00 and "
    "daily totals as peak. After a change: `energy-ingest aggregate --from ... --to ...`.",
    example="compat",
)
ALERT_CHANNELS = Setting(
    "ENERGY_ALERT_CHANNELS",
    "slack,email,webhook",
    "Ways that every alert goes, of those configured; a configured one that is not named stands in where one fails.",
    example="email",
)
SLACK_CHANNEL = Setting(
    "ENERGY_SLACK_CHANNEL",
    "#energy-alerts",
    "Channel for alerts through Slack's API; a webhook has its own.",
    example="#grid-data",
)
HEARTBEAT_HOSTS = Setting(
    "ENERGY_HEARTBEAT_HOSTS",
    "hc-ping.com,uptime.betterstack.com,cronitor.link,heartbeat.uptimerobot.com",
    "Hosts that the monitor may tell that it lives (HEARTBEAT_URL, or the connection energy_heartbeat).",
    example="hc-ping.com",
)
STUCK_MINUTES = Setting(
    "ENERGY_STUCK_MINUTES", "60", "An attempt without a sign of life for so long is stuck.", example="90"
)
FAILURE_DEGRADED = Setting(
    "ENERGY_FAILURE_DEGRADED",
    "25",
    "Failure rate of an upstream over 24 hours above which it is degraded, in percent.",
    example="10",
)
FAILURE_CRITICAL = Setting("ENERGY_FAILURE_CRITICAL", "50", "The same, above which it is critical.", example="30")
MIN_SAMPLE = Setting("ENERGY_MIN_SAMPLE", "20", "Fewer windows and files than this make no rate.", example="50")
QUEUE_LIMIT = Setting("ENERGY_QUEUE_LIMIT", "100", "More jobs of one upstream that wait are a backlog.", example="500")
CLEANUP_DAYS = Setting("ENERGY_CLEANUP_DAYS", "30", "What ended so many days ago is removed each Sunday.", example="90")
ARCHIVE_DAYS = Setting(
    "ENERGY_ARCHIVE_DAYS",
    "",
    "Raw answers that newer ones replaced are removed after so many days; empty: never. The newest always stay.",
    example="365",
)
REVISION_DAYS = Setting(
    "ENERGY_REVISION_DAYS",
    "",
    "Former versions of rows are removed so many days after they were superseded; empty: never. Current rows stay.",
    example="730",
)
CODE_VERSION = Setting(
    "ENERGY_CODE_VERSION", "0.1.0", "Recorded with every load; deployments set it to the commit.", example="1.4.0"
)

WAREHOUSE_URL = Setting(
    "WAREHOUSE_URL",
    "",
    "The warehouse, as the role that loads.",
    example="postgresql://energy_loader:...@host:5432/warehouse",
    conn_id="energy_warehouse",
)
WAREHOUSE_OWNER_URL = Setting(
    "WAREHOUSE_OWNER_URL",
    "",
    "The same, as the role that owns the tables: migrations, clean-up. Empty: WAREHOUSE_URL.",
    example="postgresql://energy_owner:...@host:5432/warehouse",
    conn_id="energy_warehouse_owner",
)
WAREHOUSE_READER_URL = Setting(
    "WAREHOUSE_READER_URL",
    "",
    "The same, as the role that reads: pages and API. Empty: what loading uses.",
    example="postgresql://energy_reader:...@host:5432/warehouse",
    conn_id="energy_warehouse_reader",
)
INFLUXDB_URL = Setting(
    "INFLUXDB_URL",
    "",
    "InfluxDB 2.7 that follows the warehouse. Empty: nothing is written, and waits.",
    example="https://influx.example.org:8086",
    conn_id="influxdb_default",
)
INFLUXDB_TOKEN = Setting(
    "INFLUXDB_TOKEN", "", "A token that may write to the bucket.", example="...", conn_id="influxdb_default"
)
INFLUXDB_ORG = Setting("INFLUXDB_ORG", "", "Its organization.", example="encora", conn_id="influxdb_default")
INFLUXDB_BUCKET = Setting("INFLUXDB_BUCKET", "", "The bucket.", example="SystemData", conn_id="influxdb_default")
SLACK_WEBHOOK_URL = Setting(
    "SLACK_WEBHOOK_URL",
    "",
    "Slack channel that is told of incidents, by its incoming webhook.",
    example="https://hooks.slack.com/services/...",
    conn_id="slack_default",
)
ADMIN_EMAIL = Setting(
    "ADMIN_EMAIL", "", "Who is told by e-mail, comma-separated.", example="ann@example.org, bob@example.org"
)
MAIL_HOST = Setting("MAIL_HOST", "", "Mail server.", example="smtp.example.org", conn_id="smtp_default")
MAIL_PORT = Setting(
    "MAIL_PORT", "587", "Its port; 465 means TLS from the start.", example="465", conn_id="smtp_default"
)
MAIL_USERNAME = Setting("MAIL_USERNAME", "", "User there.", example="energy", conn_id="smtp_default")
MAIL_PASSWORD = Setting("MAIL_PASSWORD", "", "Password there.", example="...", conn_id="smtp_default")
MAIL_FROM = Setting(
    "MAIL_FROM",
    "",
    "Sender; empty: MAIL_USERNAME, else the first of ADMIN_EMAIL.",
    example="Energy <energy@example.org>",
    conn_id="smtp_default",
)
MAIL_ENCRYPTION = Setting(
    "MAIL_ENCRYPTION", "tls", "`none` for a server without STARTTLS.", example="none", conn_id="smtp_default"
)
HEARTBEAT_URL = Setting(
    "HEARTBEAT_URL",
    "",
    "Monitor outside that expects a sign of life every 15 minutes.",
    example="https://hc-ping.com/...",
    conn_id="energy_heartbeat",
)
AIRFLOW_HOME = Setting(
    "AIRFLOW_HOME",
    "~/airflow",
    "Airflow's own; archive and inbox lie in it where their settings are empty.",
    example="/opt/airflow",
)

_ALL = tuple(value for value in globals().values() if isinstance(value, Setting))
SETTINGS = tuple(setting for setting in _ALL if setting.env.startswith("ENERGY_"))
ADDRESSES = tuple(setting for setting in _ALL if setting not in SETTINGS)
"""Addresses, secrets, and what others define."""


def archive_url() -> str:
    """Root of the raw archive; by default a folder in AIRFLOW_HOME, which is right for one machine only."""
    return ARCHIVE_URL.get() or _in_airflow_home("archive")


def inbox_url() -> str:
    """Root of the inbox; by default a folder in AIRFLOW_HOME, which is right for one machine only."""
    return INBOX_URL.get() or _in_airflow_home("inbox")


def _in_airflow_home(folder: str) -> str:
    return (Path(AIRFLOW_HOME.get()).expanduser() / folder).as_uri()
