"""The inbox: files arrive in it, and leave it for the folder that tells what became of them.

    <inbox>/                      what lies here, or in hh/, hh/<feed>/, daily/, sites/, is taken once it is settled
    <inbox>/held/                 what lies here waits until somebody names it, such as for a dry run
    <inbox>/accepted/             files that are jobs: waiting, at work, or about to be retried
    <inbox>/processed/ failed/    the same afterwards, with a report; checked/ after a dry run; duplicates/: known bytes

A file changes place in the transaction that makes it a job, so nothing is taken twice and nothing forgotten. Works on
any fsspec file system: a folder, s3, gs, sftp.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, cast

import psycopg

from energy_ingest import settings
from energy_ingest.errors import Misconfigured, Rejected, Retryable
from energy_ingest.loading.meter_files import jobs
from energy_ingest.loading.meter_files.jobs import File, Job, Order, Worker

OpenFile = Callable[[], BinaryIO]

ACCEPTED: Final = "accepted"
OUTCOMES: Final = {"completed": "processed", "failed": "failed", "cancelled": "failed"}
HELD: Final = "held"
TAKE_FROM: Final = ("failed", "checked", "processed")
"""Our folders whose files may be named for another import."""

BEING_WRITTEN: Final = re.compile(r"^\.|\.(part|partial|tmp|filepart|crdownload|swp)$|~$", re.IGNORECASE)
GOOD_NAME: Final = re.compile(r"[^\x00-\x1f\x7f/\\]{1,200}")
ARCHIVES: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf'\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"Rar!\x1a\x07": "rar",
}
CHUNK: Final = 2**20


@dataclass(frozen=True)
class Found:
    """A file in the inbox: its path in the file system, and what the listing says of it."""

    path: str
    size: int
    stamp: float | None
    is_link: bool = False

    @property
    def name(self) -> str:
        """Its name without the folders."""
        return PurePosixPath(self.path).name


class NoSuchFile(Misconfigured):
    """There is no file of this name in the inbox."""


class Inbox:
    """The folders of the inbox on a file system of fsspec's."""

    def __init__(self, fs: Any, root: str) -> None:
        self._fs, self._root = fs, root.rstrip("/")

    # --- what lies there ---

    def settled(self) -> Iterator[tuple[Found, Order]]:
        """Files that nobody has written to for a while, oldest first, each with what its folder says of it."""
        self._fs.invalidate_cache()
        default = settings.INBOX_TYPE.get_choice(*jobs.IMPORT_TYPES)
        folders = [("", Order(import_type=default))]  # type: ignore[arg-type]
        folders += [(kind, Order(import_type=kind)) for kind in jobs.IMPORT_TYPES]
        folders += [(f"hh/{feed}", Order("hh", feed)) for feed in self._folders("hh")]
        found = [(file, order) for folder, order in folders for file in self._files(folder)]
        yield from sorted((item for item in found if self._is_settled(item[0])), key=lambda item: item[0].stamp or 0)

    def named(self, name: str) -> Found:
        """A file of the inbox that somebody names: `x.csv`, `daily/x.csv`, or one that was imported, `failed/12_x.csv`.

        Raises:
            Misconfigured: the name leads elsewhere, or it is being written.
            NoSuchFile: there is none.
        """
        parts = name.split("/")
        if not all(GOOD_NAME.fullmatch(part) and part not in (".", "..") for part in parts) or len(parts) > 3:
            raise Misconfigured(f"{name!r} is no name in the inbox: use one such as readings.csv or daily/readings.csv")
        if len(parts) > 1 and parts[0] not in (*jobs.IMPORT_TYPES, HELD, *TAKE_FROM):
            folders = ", ".join((*jobs.IMPORT_TYPES, HELD))
            raise Misconfigured(f"{parts[0]!r} is no folder to take files from: use {folders}")
        self._fs.invalidate_cache()
        found = {file.name: file for file in self._files("/".join(parts[:-1]), every=True)}.get(parts[-1])
        if found is None:
            raise NoSuchFile(f"there is no file {name!r} in the inbox {self._root}: check the name and its folder")
        if BEING_WRITTEN.search(found.name) or (parts[0] not in TAKE_FROM and not self._is_settled(found)):
            seconds = settings.INBOX_SETTLE_SECONDS.get()
            raise Misconfigured(f"{name!r} is being written: wait until nobody has written to it for {seconds} s")
        return found

    def _files(self, folder: str, *, every: bool = False) -> list[Found]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if self._is_linked(folder):
                return []  # the link itself is refused, where it lies
            entries = self._fs.ls(self._path(folder), detail=True)
            files = [_found(entry) for entry in entries if entry["type"] != "directory" or _is_link(entry)]
            return [file for file in files if every or not BEING_WRITTEN.search(file.name)]
        return []

    def _folders(self, folder: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            entries = self._fs.ls(self._path(folder), detail=True)
            return [PurePosixPath(e["name"]).name for e in entries if e["type"] == "directory" and not _is_link(e)]
        return []

    def _is_linked(self, folder: str) -> bool:
        """Whether a folder, or one on the way to it, is a link: of that, only the listing above it tells everywhere."""
        above, _, name = folder.rpartition("/")
        if not name:
            return False
        entries = self._fs.ls(self._path(above), detail=True)
        is_link = any(_is_link(entry) for entry in entries if PurePosixPath(entry["name"]).name == name)
        return is_link or self._is_linked(above)

    @staticmethod
    def _is_settled(file: Found) -> bool:
        """A file says when it was last written to; where a store does not, its files appear whole."""
        age = datetime.now(UTC).timestamp() - file.stamp if file.stamp else None
        return file.is_link or age is None or age >= settings.INBOX_SETTLE_SECONDS.get_int()

    # --- taking a file ---

    def take(self, connection: psycopg.Connection, file: Found, order: Order, worker: Worker) -> int | None:
        """Make a file of the inbox a job; returns its number, or None where there is nothing to do with it (any more).

        A file that must not be imported becomes a job that has failed; one whose bytes are a job already is put aside.
        """
        try:
            order.check()
            known, error = self._examine(file), ""
        except FileNotFoundError:  # a rival took it
            return None
        except (Rejected, Misconfigured) as refusal:
            known, error = File(_stored(file.name), None, file.size), str(refusal)
        if known is None:
            return None
        with contextlib.suppress(FileNotFoundError), connection.transaction():
            self._lock(connection)
            job_id = jobs.enqueue(connection, known, order, worker, error)
            if job_id is None:
                if other := jobs.same(connection, known.sha256 or ""):  # else it has failed since
                    self._move(file.path, self._path("duplicates", f"{other}_{known.name}"))
                return None
            self._accept(connection, job_id, known.name, lambda target: self._move(file.path, target))
            return job_id
        return None

    def add(self, connection: psycopg.Connection, local: Path, order: Order, worker: Worker) -> int:
        """Make a copy of a file of this machine a job; returns its number.

        Raises:
            Misconfigured: there is no such file, or its bytes are a job already.
            Rejected: it must not be imported.
        """
        order.check()
        if not local.is_file():
            raise Misconfigured(f"there is no file {local}: name one of the inbox, or of this machine")
        with local.open("rb") as body:
            known = _examined(_stored(local.name), body, local.stat().st_size)
        with connection.transaction():
            self._lock(connection)
            job_id = jobs.enqueue(connection, known, order, worker)
            if job_id is None:
                other = jobs.same(connection, known.sha256 or "")
                raise Misconfigured(f"{local.name} is job {other} already: `--force` imports the same bytes again")
            self._accept(connection, job_id, known.name, lambda target: self._fs.put_file(str(local), target))
        return job_id

    def add_text(self, connection: psycopg.Connection, name: str, text: bytes, order: Order, worker: Worker) -> int:
        """Make a job of a file that we write ourselves."""
        known = File(name, hashlib.sha256(text).hexdigest(), len(text))
        with connection.transaction():
            self._lock(connection)
            job_id = jobs.enqueue(connection, known, replace(order, force=True), worker)
            assert job_id is not None  # noqa: S101 - forced
            self._accept(connection, job_id, name, lambda target: self._fs.pipe_file(target, text))
        return job_id

    def _examine(self, file: Found) -> File | None:
        """The file's name, hash and size; None if somebody is still writing to it.

        Raises:
            Rejected: it must not be imported.
        """
        if file.is_link or not self._is_inside(file.path):
            raise Rejected(f"{file.name} is a link: put the file itself into the inbox")
        with self._fs.open(file.path, "rb") as body:
            known = _examined(_stored(file.name), body, file.size)
        self._fs.invalidate_cache()
        return known if _found(self._fs.info(file.path)) == file and known.bytes == file.size else None

    def _is_inside(self, path: str) -> bool:
        """Folders may be links, too; only a local file system has them."""
        if not _is_local(self._fs):
            return True
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root))

    def _lock(self, connection: psycopg.Connection) -> None:
        """Who moves accepted files does so alone, or `tidy` could not tell what was left behind."""
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('meter_files inbox', 0))")

    def _accept(self, connection: psycopg.Connection, job_id: int, name: str, put: Callable[[str], None]) -> None:
        target = self._path(ACCEPTED, f"{job_id}_{name}")
        self._fs.makedirs(self._path(ACCEPTED), exist_ok=True)
        put(target)
        connection.execute("UPDATE ledger.import_job SET file_uri = %s WHERE job_id = %s", [target, job_id])

    # --- reading and leaving ---

    @contextlib.contextmanager
    def opened(self, job: Job) -> Iterator[OpenFile]:
        """A way to open the job's file, as often as needed; one from afar is copied to this machine for that time.

        Raises:
            Retryable: it is not there.
            Rejected: its bytes are not those that were accepted.
        """
        path = self._where(job)
        if path is None:
            places = ", ".join((ACCEPTED, *TAKE_FROM))
            raise Retryable(f"{job.file_name} is in none of {places} of {self._root}: put it back as {_kept(job)}")
        if path != (accepted := self._path(ACCEPTED, _kept(job))):  # it is retried
            self._move(path, accepted)
            path = accepted
        with tempfile.TemporaryDirectory() as scratch:
            local = path
            if not _is_local(self._fs):
                local = str(Path(scratch) / "file")
                self._fs.get_file(path, local)
            with Path(local).open("rb") as body:
                if _sha256(body) != job.file_sha256:
                    raise Rejected(
                        f"{job.file_name} is not the file that was accepted, its SHA-256 differs: somebody changed it; "
                        "put the new file into the inbox"
                    )
            yield cast(OpenFile, partial(Path(local).open, "rb"))

    def put_away(self, connection: psycopg.Connection, job: Job, report: str) -> None:
        """Move the file of a job that has ended to where its outcome says, with a report; to be repeated at will."""
        folder = "checked" if job.dry_run and job.status == "completed" else OUTCOMES[job.status]
        path, target = self._where(job), self._path(folder, _kept(job))
        self._fs.makedirs(self._path(folder), exist_ok=True)
        self._fs.pipe_file(f"{target}.report.txt", report.encode())
        if path and path != target:
            self._move(path, target)
        connection.execute("UPDATE ledger.import_job SET file_uri = %s WHERE job_id = %s", [target, job.job_id])

    def tidy(self, connection: psycopg.Connection, report: Callable[[Job], str]) -> None:
        """Finish what a process that was killed left undone: jobs that have ended, files that never became a job."""
        with connection.transaction():
            self._lock(connection)
            for file in self._files(ACCEPTED, every=True):
                number, _, name = file.name.partition("_")
                if not number.isdecimal():
                    continue
                try:
                    job = jobs.find(connection, int(number))
                except Misconfigured:
                    self._move(file.path, self._path(name))
                    continue
                if job.status in OUTCOMES:
                    self.put_away(connection, job, report(job))

    def _where(self, job: Job) -> str | None:
        self._fs.invalidate_cache()
        places = (self._path(folder, _kept(job)) for folder in (ACCEPTED, *TAKE_FROM))
        return next((path for path in places if self._fs.exists(path)), None)

    def _move(self, path: str, target: str) -> None:
        self._fs.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
        self._fs.mv(path, target)

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *filter(None, parts)))


def local_inbox(folder: str) -> Inbox:
    """The inbox in a folder of this machine, for which Airflow is not needed."""
    import fsspec  # type: ignore[import-untyped]

    return Inbox(fsspec.filesystem("file"), folder)


def _examined(name: str, body: Any, size: int) -> File:
    """Hash a file that is no larger than allowed and no archive.

    Raises:
        Rejected: it is one of these.
    """
    most = settings.INBOX_MAX_BYTES.get_int()
    if size > most:
        raise Rejected(
            f"{name} has {size:,} bytes, more than {most:,}: split it, or raise {settings.INBOX_MAX_BYTES.env}"
        )
    head = body.read(512)
    kind = next((kind for magic, kind in ARCHIVES.items() if head.startswith(magic)), None)
    kind = "tar" if head[257:262] == b"ustar" else kind
    if head.startswith(b"PK") and not _is_workbook(body, most):
        kind = "zip"
    if kind:
        raise Rejected(f"{name} is a {kind} archive: unpack it, and put the files into the inbox")
    body.seek(0)
    sha, count = hashlib.sha256(), 0
    while chunk := body.read(CHUNK):
        sha.update(chunk)
        count += len(chunk)
    return File(name, sha.hexdigest(), count)


def _is_workbook(body: Any, most: int) -> bool:
    """Whether a zip is a workbook of Excel's, and not larger than a file may be when it is unpacked."""
    try:
        with zipfile.ZipFile(body) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        return False
    return any(part.filename == "[Content_Types].xml" for part in parts) and sum(p.file_size for p in parts) <= most


def _sha256(body: BinaryIO) -> str:
    return hashlib.file_digest(body, "sha256").hexdigest()  # type: ignore[arg-type]


def _found(entry: dict[str, Any]) -> Found:
    """From what a file system of fsspec's says of a file; each names the time of the last write differently."""
    stamp = next(
        (entry[name] for name in ("mtime", "LastModified", "last_modified", "updated") if entry.get(name)), None
    )
    if isinstance(stamp, str):
        stamp = datetime.fromisoformat(stamp)
    if isinstance(stamp, datetime):
        stamp = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    return Found(entry["name"], int(entry.get("size") or 0), stamp, _is_link(entry))


def _is_link(entry: dict[str, Any]) -> bool:
    """A local file system follows links and says so; SFTP lists them as what they are."""
    return bool(entry.get("islink")) or entry["type"] == "link"


def _is_local(fs: Any) -> bool:
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _stored(name: str) -> str:
    """The name under which a file is kept, without what no file system likes."""
    return re.sub(r"[\x00-\x1f\x7f/\\]", "_", name)[-200:]


def _kept(job: Job) -> str:
    return f"{job.job_id}_{job.file_name}"
