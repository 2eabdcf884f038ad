"""The ways to people: Slack, e-mail and a webhook, by Airflow connections or the usual environment variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection
from airflow.providers.slack.hooks.slack import SlackHook
from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.providers.smtp.hooks.smtp import SmtpHook

from energy_ingest import settings
from energy_ingest.alerts import text
from energy_ingest.alerts.redact import redact
from energy_ingest.alerts.text import Message
from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.hooks.deployment import mask_secret
from energy_ingest.loading.incidents import Channels, Send

TIMEOUT: Final = 10
"""Seconds; a callback of Airflow's DAG processor must not hold it up."""
WEBHOOK: Final = "energy_alert_webhook"
HEARTBEAT: Final = "energy_heartbeat"
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class SlackWebhook(SlackWebhookHook):
    """The provider's hook for `slack_default`; SLACK_WEBHOOK_URL stands in for a connection that does not exist.

    Without Slack's own retries: they log the address, which is the secret, and deliveries are retried as rows.
    """

    def __init__(self) -> None:
        super().__init__(slack_webhook_conn_id=self.default_conn_name, timeout=TIMEOUT, retry_handlers=[])

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """The Airflow connection, or what the environment says."""
        return _connection(super().get_connection, conn_id, _slack_from_environment())


class Mail(SmtpHook):
    """The provider's hook for `smtp_default`; MAIL_HOST and its like stand in for a connection that does not exist."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """The Airflow connection, or what the environment says."""
        return _connection(super().get_connection, conn_id, _mail_from_environment())


def channels() -> Channels:
    """Every way that is configured; those of ENERGY_ALERT_CHANNELS get all messages, the others stand in for them.

    Raises:
        Misconfigured: a channel is named that does not exist.
    """
    wanted = settings.ALERT_CHANNELS.get_list()
    if unknown := [name for name in wanted if name not in _WAYS]:
        raise Misconfigured(
            f"{settings.ALERT_CHANNELS.env} names {', '.join(unknown)}: use any of {', '.join(_WAYS)}, comma-separated"
        )
    there = {name: send for name, (is_there, send) in _WAYS.items() if is_there()}
    first = {name: send for name, send in there.items() if name in wanted} or there
    return Channels(first, {name: send for name, send in there.items() if name not in first})


def heartbeat_url() -> str | None:
    """Where the monitor outside listens, None where there is none.

    Raises:
        Misconfigured: not an https address, or a host that ENERGY_HEARTBEAT_HOSTS does not allow.
    """
    conn = _find(HEARTBEAT)
    url = settings.HEARTBEAT_URL.get() if conn is None else _url(conn)
    if not url:
        return None
    mask_secret(url)
    host, allowed = _checked(url, "the heartbeat's address"), settings.HEARTBEAT_HOSTS.get_list()
    if host not in (*allowed, *LOOPBACK):
        fix = f"add it to {settings.HEARTBEAT_HOSTS.env}, if it is meant"
        raise Misconfigured(f"the heartbeat's host {host} is not among {', '.join(allowed)}: {fix}")
    return url


def heartbeat() -> str | None:
    """Tell the monitor outside that all is well here; returns its host, None where there is none.

    Raises:
        Misconfigured: as `heartbeat_url` says.
        Retryable: it did not take it.
    """
    url = heartbeat_url()
    if url is None:
        return None
    host = urlsplit(url).hostname
    try:
        answer = requests.get(url, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:  # its text has the whole address, which is a secret
        raise Retryable(f"{host} did not take the heartbeat ({type(error).__name__})") from None
    if not answer.ok or answer.is_redirect:
        raise Retryable(f"{host} did not take the heartbeat ({answer.status_code})")
    return host


def check(channel: str) -> str:
    """Try a channel without anybody getting a message, as far as that goes; what was found. Raises what is wrong."""
    if channel == "email":
        with Mail() as hook:
            _client(hook).noop()
            return f"{hook.host}:{hook.port} lets us in, for {', '.join(recipients())}"
    if channel == "slack" and _find(SlackHook.default_conn_name):
        SlackHook(slack_conn_id=SlackHook.default_conn_name, timeout=TIMEOUT).call("auth.test")
        return f"its API knows the token, for {settings.SLACK_CHANNEL.get()}"
    if channel == "slack":
        # a webhook that exists says that there is no text in an empty message, any other that there is no such thing
        answer = requests.post(SlackWebhook().client.url, json={}, timeout=TIMEOUT, allow_redirects=False)
        if answer.status_code != requests.codes.bad_request:
            raise requests.HTTPError(f"the webhook answers with {answer.status_code}: {answer.text[:80]}")
        return "the webhook exists"
    _checked(_url(BaseHook.get_connection(WEBHOOK)), f"the address of the connection {WEBHOOK}")
    return "configured; energy-ingest alerts test sends it a message"


def _send_slack_webhook(message: Message) -> None:
    SlackWebhook().send_dict(text.slack(message))


def _send_slack(message: Message) -> None:
    """Through Slack's API where there is a token for it, else through the incoming webhook."""
    if _find(SlackHook.default_conn_name) is None:
        return _send_slack_webhook(message)
    body = {"channel": settings.SLACK_CHANNEL.get(), **text.slack(message)}
    hook = SlackHook(slack_conn_id=SlackHook.default_conn_name, timeout=TIMEOUT, retry_handlers=[])
    hook.call("chat.postMessage", json=body)


def _send_mail(message: Message) -> None:
    with Mail() as hook:
        mail = EmailMessage()
        mail["Subject"] = message.headline
        mail["From"] = hook.from_email or hook.smtp_user
        mail["To"] = ", ".join(recipients())
        mail["Message-ID"] = make_msgid(domain="energy-ingest")
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office replies stay away
        mail.set_content(text.plain(message))
        mail.add_alternative(text.html(message), subtype="html")
        _client(hook).send_message(mail)


def _send_webhook(message: Message) -> None:
    conn = BaseHook.get_connection(WEBHOOK)
    url, headers = _url(conn), {str(k): str(v) for k, v in conn.extra_dejson.items()}
    _checked(url, f"the address of the connection {WEBHOOK}")
    if conn.password:
        headers["Authorization"] = f"Bearer {conn.password}"
    answer = requests.post(url, json=message.as_json(), headers=headers, timeout=TIMEOUT, allow_redirects=False)
    if not answer.ok or answer.is_redirect:
        raise requests.HTTPError(f"{urlsplit(url).hostname} answers with {answer.status_code}")


def recipients() -> tuple[str, ...]:
    """Whom e-mail goes to: ADMIN_EMAIL, comma-separated."""
    return settings.ADMIN_EMAIL.get_list()


def has_slack() -> bool:
    """Whether Slack is configured, by API or by webhook."""
    names = (SlackHook.default_conn_name, SlackWebhookHook.default_conn_name)
    return _slack_from_environment() is not None or any(_find(name) for name in names)


def has_mail() -> bool:
    """Whether there is a mail server, and somebody to write to."""
    return bool(recipients() and (_mail_from_environment() or _find(SmtpHook.default_conn_name)))


def has_webhook() -> bool:
    """Whether another system wants to know."""
    return _find(WEBHOOK) is not None


_WAYS: Final[Mapping[str, tuple[Callable[[], bool], Send]]] = {
    "slack": (has_slack, _send_slack),
    "email": (has_mail, _send_mail),
    "webhook": (has_webhook, _send_webhook),
}


def _client(hook: SmtpHook) -> Any:
    """The provider's `send_email_smtp` writes HTML alone, and its client changed its name."""
    return getattr(hook, "_smtp_client", None) or hook.smtp_client


def _slack_from_environment() -> Connection | None:
    url = settings.SLACK_WEBHOOK_URL.get()
    return Connection(conn_id="slack_default", conn_type="slackwebhook", password=url) if url else None


def _mail_from_environment() -> Connection | None:
    """MAIL_PORT 465 means TLS from the start, any other STARTTLS; MAIL_ENCRYPTION=none neither."""
    if not settings.MAIL_HOST.get():
        return None
    user, given = settings.MAIL_USERNAME.get(), settings.MAIL_PORT.get()
    port = int(given) if given.isdecimal() else 587
    extra = {
        "from_email": settings.MAIL_FROM.get() or user or recipients()[0],
        "disable_ssl": port != 465,
        "disable_tls": port == 465 or settings.MAIL_ENCRYPTION.get().lower() == "none",
        "timeout": TIMEOUT,
        "retry_limit": 1,
    }
    return Connection(
        conn_id="smtp_default",
        conn_type="smtp",
        host=settings.MAIL_HOST.get(),
        port=port,
        login=user or None,
        password=settings.MAIL_PASSWORD.get() or None,
        extra=json.dumps(extra),
    )


def _connection(get: Callable[[str], Connection], conn_id: str, stand_in: Connection | None) -> Connection:
    try:
        return get(conn_id)
    except AirflowNotFoundException:
        if stand_in is None:
            raise
        mask_secret(stand_in.password)  # as Airflow does with its own connections
        return stand_in


def _find(conn_id: str) -> Connection | None:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def _url(conn: Connection) -> str:
    """The whole address: of the host as it is written, or made up of its parts."""
    host = conn.host or ""
    if "://" not in host:
        host = f"{conn.schema or 'https'}://{host}" + (f":{conn.port}" if conn.port else "")
    return host


def _checked(url: str, what: str) -> str:
    """The host; only https leaves the machine."""
    parts = urlsplit(url)
    if not parts.hostname or (parts.scheme != "https" and parts.hostname not in LOOPBACK):
        raise Misconfigured(f"{what} is {redact(parts.scheme)}://{parts.hostname}: use https://host/path")
    return parts.hostname
