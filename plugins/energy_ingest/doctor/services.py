"""What loads talk to or run in: the upstreams, and Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from energy_ingest import catalog, settings
from energy_ingest.alerts.redact import redact
from energy_ingest.doctor.report import Check, Report
from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.windows import utc_now

TIMEOUT: Final = 10.0
"""Seconds; who is slower is as good as down."""
SKEW: Final = 30.0
"""Seconds between an upstream's clock and ours, of whole seconds as HTTP tells them."""


def upstreams(_: Report) -> Iterator[Check]:
    """Whether each upstream answers at the address of its Airflow connection."""
    for upstream in catalog.upstreams():
        yield _upstream(upstream)


def _upstream(upstream: catalog.Upstream) -> Check:
    name = f"upstream {upstream.name}"
    fix = f"check `host` of the Airflow connection {upstream.conn_id}, network and proxy"
    try:
        from energy_ingest.hooks.loader import hook_for

        hook = hook_for(next(item for item in catalog.DATASETS.values() if item.source is upstream))
        status, skew = _answer(hook.session, hook.base_url.rstrip("/") + upstream.health)
    except requests.RequestException as error:
        return Check(name, "warning", f"{hook.base_url} does not answer ({type(error).__name__})", fix)
    except Misconfigured as error:
        return Check(name, "failed", *str(error).split(": ", 1))
    except Exception as error:  # whatever Airflow makes of a malformed connection, or its absence
        return Check(name, "failed", f"{type(error).__name__}: {error}", f"correct the connection {upstream.conn_id}")
    # where no path for this is known, any answer of the host says that it is there
    well = status == requests.codes.ok or (not upstream.health and status < 500)
    if well and abs(skew) > SKEW:
        found = f"{hook.base_url} answers, by a clock {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} ours"
        return Check(name, "warning", found, "synchronise this machine's clock (NTP): it judges what is published")
    return Check(name, "ok" if well else "warning", f"{hook.base_url} answers with {status}", None if well else fix)


def _answer(session: requests.Session, url: str) -> tuple[int, float]:
    """The status, and by how many seconds the server's clock is ahead of ours, as far as it says."""
    with session.get(url, timeout=TIMEOUT, stream=True, allow_redirects=False) as response:
        now = utc_now()
        try:
            age = timedelta(seconds=int(response.headers.get("Age", 0)))  # of an answer from a cache
            said = parsedate_to_datetime(response.headers["Date"]) + age
        except (KeyError, ValueError):
            said = now
        return response.status_code, (said.astimezone(UTC) - now).total_seconds()


def influxdb(_: Report) -> Iterator[Check]:
    """Whether points could be written to InfluxDB, without writing any; that there is none is well, too."""
    from energy_ingest.loading.influx_client import Influx, target_from_environment

    target = target_from_environment()
    with suppress(ImportError):  # where Airflow is installed, its connection comes first
        from energy_ingest.hooks.influxdb import InfluxDBHook

        target = InfluxDBHook().target()
    if target is None:
        yield Check("influxdb", "ok", "none is configured; how to have one that follows: docs/influxdb.md")
        return
    try:
        with closing(Influx(target, attempts=1)) as influx:
            influx.check()
    except Retryable as error:
        yield Check("influxdb", "warning", str(error), "start it; what it lacks waits in the ledger")
    else:
        yield Check("influxdb", "ok", f"{target} takes points")


def alerts(_: Report) -> Iterator[Check]:
    """Whether people and a monitor outside can be told, without telling anybody anything."""
    try:
        from energy_ingest.hooks import channels
    except ImportError as error:
        yield Check("alerts", "skipped", f"not to be asked here: {error}")
        return
    ways = channels.channels()
    if not ways.all:
        fix = "set SLACK_WEBHOOK_URL, or MAIL_HOST and ADMIN_EMAIL, or a connection: see docs/alerts.md"
        yield Check("alerts", "skipped", "no channel is configured: nobody is told of anything", fix)
    for name in ways.all:
        try:
            yield Check(f"alerts by {name}", "ok", channels.check(name))
        except Exception as error:  # each channel has errors of its own
            fix = "correct its connection or variables (docs/alerts.md), then energy-ingest alerts test"
            yield Check(f"alerts by {name}", "warning", redact(f"{type(error).__name__}: {error}"), fix)
    if url := channels.heartbeat_url():
        yield Check("heartbeat", "ok", f"the monitor tells {urlsplit(url).hostname} that it lives")
    else:
        fix = "set HEARTBEAT_URL: Airflow cannot tell of its own scheduler being down"
        yield Check("heartbeat", "skipped", "no monitor outside is configured", fix)


def airflow(report: Report) -> Iterator[Check]:
    """Whether Airflow runs, where, and whether it has the pools that the DAGs name."""
    try:
        from energy_ingest.hooks import deployment
    except ImportError as error:
        yield Check("airflow", "skipped", f"not to be asked here: {error}")
        return
    url, configured = deployment.api_base_url()
    health = _health(url + deployment.health_path())
    report.api_base_url = url if configured or health else None
    yield _airflow(url, configured, health, deployment.BASE_URL)
    yield _pool(deployment, settings.ELEXON_POOL, bool(health))


def _health(url: str) -> dict[str, Any]:
    """The states of Airflow's parts; empty where nothing like it answers."""
    with requests.Session() as session:
        session.trust_env = urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1")  # past any proxy
        try:
            body = session.get(url, timeout=TIMEOUT).json()
        except (requests.RequestException, ValueError):
            return {}
    return body if isinstance(body, dict) and "scheduler" in body else {}


def _airflow(url: str, configured: bool, health: dict[str, Any], variable: str) -> Check:
    if not health and configured:
        fix = f"start Airflow, or correct {variable}; schedules need it, this command line does not"
        return Check("airflow", "warning", f"{url} does not answer", fix)
    if not health:
        fix = f"to have it checked, name it in {variable}"
        return Check("airflow", "skipped", f"nothing answers at {url}", fix)
    states = {name: part.get("status") for name, part in health.items() if isinstance(part, dict)}
    # A part without a status was never started; only the scheduler has to be.
    if ill := [name for name, status in states.items() if status != "healthy" and (status or name == "scheduler")]:
        fix = f"start it (`airflow {ill[0].replace('_', '-')}`), or see in its log why it ended"
        return Check("airflow", "warning", f"{url}: {', '.join(ill)} not healthy", fix)
    if not configured:
        fix = f"set {variable}={url}, or links in alerts lead nowhere"
        return Check("airflow", "warning", f"{url} answers, but no base_url is set", fix)
    return Check("airflow", "ok", f"{url}: {', '.join(name for name, status in states.items() if status)} healthy")


def _pool(deployment: Any, setting: settings.Setting, airflow_runs: bool) -> Check:
    pool, name = setting.get(), f"pool {setting.get()}"
    if pool == "default_pool":
        return Check(name, "ok", "exists in every Airflow")
    if not airflow_runs:
        return Check(name, "skipped", "cannot be asked while Airflow does not run")
    try:
        exists = deployment.pool_exists(pool)
    except Exception as error:  # no rights, or no way, to Airflow's metadata from here
        return Check(name, "skipped", f"cannot be asked from here ({type(error).__name__})")
    if exists:
        return Check(name, "ok", "exists")
    fix = f"create it (`airflow pools set {pool} 4 'upstream requests'`), or set {setting.env} to one that exists"
    return Check(name, "failed", "does not exist: tasks in it never start", fix)
