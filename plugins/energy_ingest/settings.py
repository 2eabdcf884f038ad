"""Settings from environment variables, all on one screen. Secrets and addresses live in Airflow connections instead."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from energy_ingest.errors import Misconfigured


@dataclass(frozen=True)
class Setting:
    """One environment variable: its name, default (as text) and meaning."""

    env: str
    default: str
    doc: str

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


START = Setting("ENERGY_START", "2024-01-01", "First settlement date (or gas day) that catch-up loads.")
UNTIL = Setting("ENERGY_UNTIL", "", "Last date that schedules load; empty means for ever. For rehearsals and replays.")
ARCHIVE_URL = Setting("ENERGY_ARCHIVE_URL", "", "Where raw answers are kept: file://, s3:// or gs:// URL.")
BM_UNITS = Setting(
    "ENERGY_ELEXON_BM_UNITS",
    "2__DSTAT001,2__ESTAT003,2__ESTAT001,2__LSTAT003,2__HSTAT003",
    "BM units of elexon_b1610, comma-separated, or `all` for the whole market (440,496 rows a settlement day).",
)
CONCURRENCY = Setting("ENERGY_CONCURRENCY", "2", "Windows that one ingest task loads at the same time.")
DUE_LIMIT = Setting(
    "ENERGY_DUE_LIMIT", "60", "Most overdue or restated windows that the newest run takes on top of its own."
)
RETRY_SECONDS = Setting("ENERGY_RETRY_SECONDS", "300", "First delay before Airflow retries a task; doubles each time.")
NATIONAL_GAS_START = Setting(
    "ENERGY_NATIONAL_GAS_START",
    "",
    "First date of national_gas_quality; empty means ENERGY_START. A year is 17,520 runs of half an hour each.",
)
STAMP_ZONE = Setting(
    "ENERGY_NATIONAL_GAS_STAMP_ZONE",
    "UTC",
    "Time zone of National Gas's time stamps where they name none, such as Europe/London.",
)
TRANSFER_ASSETS = Setting(
    "ENERGY_ENERGY_TRANSFER_ASSETS",
    "",
    "Pipelines of energy_transfer_capacity besides Transwestern, comma-separated, such as FGT,PEPL; empty: none.",
)
CAPACITY_START = Setting(
    "ENERGY_CAPACITY_START",
    "",
    "First gas day of the capacity DAGs; empty means ENERGY_START. The pipelines must keep 90 days online.",
)
CAPACITY_CYCLES = Setting(
    "ENERGY_CAPACITY_CYCLES",
    "0,1,3,4,7,5",
    "Nomination cycles whose postings are loaded: 0 Timely, 1 Evening, 3, 4, 7 Intraday 1 to 3, 5 Final.",
)
POSTING_POLL_SECONDS = Setting(
    "ENERGY_POSTING_POLL_SECONDS", "600", "Pause before a posting that is late is looked for again."
)
BM_DATA_UNITS = Setting(
    "ENERGY_ELEXON_BM_DATA_UNITS",
    "2__DSTAT001,2__ESTAT003,2__ESTAT001,2__LSTAT003,2__HSTAT003",
    "BM units of elexon_boalf, elexon_bod and elexon_physical, comma-separated; one request each.",
)
ELEXON_POOL = Setting("ENERGY_ELEXON_POOL", "default_pool", "Airflow pool of the Elexon tasks; it must exist.")
INFLUX_BATCH = Setting("ENERGY_INFLUX_BATCH", "5000", "Points in one write request to InfluxDB.")
INFLUX_MAPPING = Setting(
    "ENERGY_INFLUX_MAPPING",
    "lean",
    "Mapping to InfluxDB: `lean`, `compat` or `both`; for one dataset such as `lean,elexon_b1610=both`.",
)
INFLUX_MINUTES = Setting("ENERGY_INFLUX_MINUTES", "30", "Longest time that a run works on what waits for InfluxDB.")
INBOX_URL = Setting(
    "ENERGY_INBOX_URL", "", "Where meter files arrive: file://, s3://, gs:// or sftp:// URL; empty: a local folder."
)
INBOX_SETTLE_SECONDS = Setting(
    "ENERGY_INBOX_SETTLE_SECONDS", "30", "A meter file is taken once nobody has written to it for so long."
)
INBOX_MAX_BYTES = Setting("ENERGY_INBOX_MAX_BYTES", "1073741824", "Largest meter file that is taken, in bytes.")
INBOX_TYPE = Setting(
    "ENERGY_INBOX_TYPE", "hh", "Import type of files that lie in the inbox itself: hh, daily or sites."
)
METER_WORKERS = Setting(
    "ENERGY_METER_WORKERS", "2", "Runs of meter_files at the same time, each with one file in hand."
)
METER_UNKNOWN = Setting(
    "ENERGY_METER_UNKNOWN", "create", "Readings of unknown meters: `create` the meter, or `quarantine` the readings."
)
METER_MPAN_CHECK = Setting(
    "ENERGY_METER_MPAN_CHECK", "warn", "MPANs with a wrong check digit: `warn`, `quarantine`, or `off`."
)
METER_ESTIMATES = Setting(
    "ENERGY_METER_ESTIMATES", "keep-actual", "Estimates where an actual is loaded: `keep-actual` or `overwrite`."
)
METER_PEAK = Setting(
    "ENERGY_METER_PEAK",
    "standard",
    "Peak in aggregates: `standard`, 07:00 to 23:00 UK time, end exclusive; `compat` counts the half hour at 23:00 and "
    "daily totals as peak. After a change: `energy-ingest aggregate --from ... --to ...`.",
)
ALERT_CHANNELS = Setting(
    "ENERGY_ALERT_CHANNELS",
    "slack,email,webhook",
    "Ways that every alert goes, of those configured; a configured one that is not named stands in where one fails.",
)
SLACK_CHANNEL = Setting(
    "ENERGY_SLACK_CHANNEL", "#energy-alerts", "Channel for alerts through Slack's API; a webhook has its own."
)
HEARTBEAT_HOSTS = Setting(
    "ENERGY_HEARTBEAT_HOSTS",
    "hc-ping.com,uptime.betterstack.com,cronitor.link,heartbeat.uptimerobot.com",
    "Hosts that the monitor may tell that it lives (HEARTBEAT_URL, or the connection energy_heartbeat).",
)
STUCK_MINUTES = Setting("ENERGY_STUCK_MINUTES", "60", "An attempt without a sign of life for so long is stuck.")
FAILURE_DEGRADED = Setting(
    "ENERGY_FAILURE_DEGRADED", "25", "Failure rate of an upstream over 24 hours above which it is degraded, in percent."
)
FAILURE_CRITICAL = Setting("ENERGY_FAILURE_CRITICAL", "50", "The same, above which it is critical.")
MIN_SAMPLE = Setting("ENERGY_MIN_SAMPLE", "20", "Fewer windows and files than this make no rate.")
QUEUE_LIMIT = Setting("ENERGY_QUEUE_LIMIT", "100", "More jobs of one upstream that wait are a backlog.")
CLEANUP_DAYS = Setting("ENERGY_CLEANUP_DAYS", "30", "What ended so many days ago is removed each Sunday.")
ARCHIVE_DAYS = Setting(
    "ENERGY_ARCHIVE_DAYS",
    "",
    "Raw answers that newer ones replaced are removed after so many days; empty: never. The newest always stay.",
)
REVISION_DAYS = Setting(
    "ENERGY_REVISION_DAYS",
    "",
    "Former versions of rows are removed so many days after they were superseded; empty: never. Current rows stay.",
)
CODE_VERSION = Setting("ENERGY_CODE_VERSION", "0.1.0", "Recorded with every load; deployments set it to the commit.")

SETTINGS = tuple(value for value in globals().values() if isinstance(value, Setting))


def archive_url() -> str:
    """Root of the raw archive; by default a folder in AIRFLOW_HOME, which is right for one machine only."""
    return ARCHIVE_URL.get() or _in_airflow_home("archive")


def inbox_url() -> str:
    """Root of the inbox; by default a folder in AIRFLOW_HOME, which is right for one machine only."""
    return INBOX_URL.get() or _in_airflow_home("inbox")


def _in_airflow_home(folder: str) -> str:
    return (Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / folder).as_uri()
