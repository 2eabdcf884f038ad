"""The inbox of meter files, on whatever ObjectStoragePath it is, or on an SFTP server through Airflow's provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

from energy_ingest import settings
from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.loading.meter_files.inbox import Inbox

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

PROVIDER: Final = "apache-airflow-providers-sftp[sshfs]"


class Root(NamedTuple):
    """Where the inbox lies: a file system of fsspec's, and the path in it."""

    fs: Any
    path: str


def inbox() -> Inbox:
    """The inbox that ENERGY_INBOX_URL names; `s3://connection@bucket/folder` takes that Airflow connection."""
    return Inbox(*inbox_root())


def inbox_root() -> Root:
    """Root of the inbox.

    Raises:
        Misconfigured: the SFTP provider is not installed, or the server is not who it should be, or refuses us.
        Retryable: the SFTP server cannot be reached.
    """
    url = urlsplit(settings.inbox_url())
    if url.scheme in ("sftp", "ssh"):
        return Root(_sftp(unquote(url.username or "sftp_default")), url.path or "/")
    root = ObjectStoragePath(settings.inbox_url())
    return Root(root.fs, root.path)


def _sftp(conn_id: str) -> Any:
    """The provider's file system. ObjectStoragePath takes it, too, but without checking who the server is."""
    try:
        import asyncssh
        from airflow.providers.sftp.fs.sftp import get_fs
        from sshfs import SSHFileSystem  # noqa: F401 - get_fs would say less of its absence
    except ImportError as error:
        raise Misconfigured(f'an inbox on SFTP needs the provider: pip install "{PROVIDER}" ({error})') from None
    connection = BaseHook.get_connection(conn_id)
    try:
        fs = get_fs(conn_id, _host_key(connection))
    except asyncssh.HostKeyNotVerifiable as error:
        raise Misconfigured(
            f"the SFTP server of connection {conn_id} is not known ({error}): put its public key, as `ssh-keyscan "
            f"{connection.host}` prints it, into the connection's extra `host_key`, or into ~/.ssh/known_hosts"
        ) from None
    except PermissionError as error:
        raise Misconfigured(f"the SFTP server refuses connection {conn_id}: {error}; check user and key") from None
    except (OSError, asyncssh.Error) as error:
        raise Retryable(f"the SFTP server of connection {conn_id} is not reached: {error}") from error
    fs.mv = _renaming(fs)
    return fs


def _host_key(connection: Connection) -> dict[str, Any]:
    """How the server proves who it is: by the key in the connection's extra, else by this machine's known hosts."""
    extra = connection.extra_dejson
    if str(extra.get("no_host_key_check", "")).lower() == "true":
        return {}
    if key := extra.get("host_key"):
        # of all that a line of `ssh-keyscan` says, type and key; a type may be left out, as Airflow's SSH hook allows
        *kind, key = key.split()[-2:]
        return {"known_hosts": f"* {kind[0] if kind else 'ssh-rsa'} {key}\n".encode()}
    return {"known_hosts": ()}


def _renaming(fs: Any) -> Any:
    """Moves are renames or nothing: where a server lacks OpenSSH's rename, sshfs copies by a shell, then deletes."""
    from asyncssh.sftp import SFTPOpUnsupported
    from fsspec.asyn import sync_wrapper

    async def rename(path: str, target: str) -> None:
        async with fs._pool.get() as channel:
            try:
                await channel.posix_rename(path, target)
            except SFTPOpUnsupported:
                await channel.rename(path, target)

    return sync_wrapper(rename, obj=fs)
