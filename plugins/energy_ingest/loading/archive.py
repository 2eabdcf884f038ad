"""The raw archive: every answer as it came, gzip'd and named by its SHA-256, on any ObjectStoragePath.

Beside `<label>_<sha>.gz` lies a `<label>_<sha>_<time>.meta.json` for every time it was retrieved, so that the archive
alone is enough to load again: a value that changed and changed back comes out right.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import re
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NoReturn

from isal import igzip, igzip_lib

from energy_ingest.errors import Rejected, Retryable
from energy_ingest.sources import Answer, Scope
from energy_ingest.sources.kept_files import KeptFile
from energy_ingest.windows import Window


@dataclass(frozen=True)
class Meta:
    """What an archived answer is: enough to load it without the upstream.

    `start` and `end` are those of its windows; where they are empty, it is for all windows labelled first to last.
    """

    dataset: str
    scope: str
    members: tuple[str, ...]
    first: str
    last: str
    request: str
    retrieved_at: str
    sha256: str
    bytes: int
    start: str = ""
    end: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def holds(self, window: Window) -> bool:
        """Whether this answer is for a window that its labels name."""
        return not self.start or (self.start <= window.start.isoformat() and window.end.isoformat() <= self.end)

    @property
    def stem(self) -> str:
        """Name of the answer's file, without its suffix."""
        span = self.first if self.first == self.last else f"{self.first}_{self.last}"
        return f"{span}_{self.sha256[:16]}"


@dataclass(frozen=True)
class Kept:
    """Where an answer lies, and its description."""

    path: str
    meta: Meta


class Tape:
    """Records an answer while it is read: `play` passes the chunks on, `keep` stores what went by.

    `prefix` goes before the path under which it is known, where the root does not have it: `file://`.
    """

    def __init__(self, root: Any, prefix: str = "") -> None:
        self._root, self._prefix = root, prefix
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._gzip = igzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1, mtime=0)
        self._sha = hashlib.sha256()
        self._bytes = 0
        self.headers: Mapping[str, str] = {}
        self.whole = False

    def play(self, answer: Answer) -> Iterator[bytes]:
        """The chunks, recorded; `whole` says whether all went by."""
        self.headers = answer.headers
        for chunk in answer:
            self._sha.update(chunk)
            self._gzip.write(chunk)
            self._bytes += len(chunk)
            yield chunk
        self.whole = True

    def keep(self, dataset: str, scope: Scope, windows: Sequence[Window], request: str, retrieved_at: datetime) -> Kept:
        """Store the recording, the same bytes for the same windows once, and that it was retrieved.

        Raises:
            Retryable: the archive cannot be written.
        """
        self._gzip.close()
        first, last = windows[0].label, windows[-1].label
        meta = Meta(
            dataset=dataset,
            scope=scope.name,
            members=scope.members,
            first=f"{first}",
            last=f"{last}",
            request=request,
            retrieved_at=retrieved_at.isoformat(),
            sha256=self._sha.hexdigest(),
            bytes=self._bytes,
            start=windows[0].start.isoformat(),
            end=windows[-1].end.isoformat(),
            headers=self.headers,
        )
        body = path_of(self._root, meta)
        folder = body.parent
        description = folder / f"{meta.stem}_{retrieved_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}.meta.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not body.exists():
                self._file.seek(0)
                _write(body, self._file)
            # It comes last: a description always has its answer, even if we are killed in between.
            _write(description, io.BytesIO(json.dumps(asdict(meta), indent=1).encode()))
        except OSError as error:
            raise Retryable(
                f"the archive {self._root} cannot be written: {error}; check its space and rights"
            ) from error
        return Kept(f"{self._prefix}{body}", meta)

    def close(self) -> None:
        """Give up the scratch file."""
        self._file.close()


def keep_file(root: Any, dataset: str, name: str, file: KeptFile, retrieved_at: datetime) -> Meta:
    """Store what another system kept of a source, as the answer that it was.

    Raises:
        Retryable: the archive cannot be written.
    """
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    with contextlib.closing(Tape(root)) as tape:
        deque(tape.play(Answer([file.body], headers)), maxlen=0)
        return tape.keep(dataset, file.scope, [file.window], f"file {name}", retrieved_at).meta


def path_of(root: Any, meta: Meta) -> Any:
    """Where the answer lies that this describes."""
    return root / meta.dataset / _file_name(meta.scope) / meta.first[:4] / meta.first[5:7] / f"{meta.stem}.gz"


def _raise(error: Rejected) -> NoReturn:
    raise error


def kept_answers(root: Any, dataset: str, on_damage: Callable[[Rejected], None] = _raise) -> Iterator[tuple[Any, Meta]]:
    """Every archived answer of a dataset with its path, in the order of retrieval.

    `on_damage` is called for a description that cannot be read; its answer is left out.
    """
    found = []
    for path in (root / dataset).rglob("*.meta.json"):
        try:
            fields = json.loads(path.read_text())
            meta = Meta(**{**fields, "members": tuple(fields["members"])})
        except (ValueError, KeyError, TypeError) as error:
            on_damage(_damaged(path, str(error)))
        else:
            found.append((path.parent / f"{meta.stem}.gz", meta))
    yield from sorted(found, key=lambda item: item[1].retrieved_at)


def read(path: Any, meta: Meta, chunk: int = 2**20) -> Iterator[bytes]:
    """The bytes of an archived answer.

    Raises:
        Rejected: they are not the bytes that were archived.
    """
    sha = hashlib.sha256()
    try:
        with path.open("rb") as file, igzip.GzipFile(fileobj=file, mode="rb") as body:
            while piece := body.read(chunk):
                sha.update(piece)
                yield piece
    except (FileNotFoundError, EOFError, gzip.BadGzipFile, igzip_lib.IsalError) as error:  # type: ignore[misc]
        raise _damaged(path, str(error)) from None
    if sha.hexdigest() != meta.sha256:
        raise _damaged(path, f"its SHA-256 is not {meta.sha256}")


def head(path: Any, most: int) -> bytes:
    """The first bytes of an archived answer, unpacked; at most `most`, however well they were packed.

    Raises:
        Rejected: there is none any more, or it is damaged.
    """
    try:
        with path.open("rb") as file, igzip.GzipFile(fileobj=file, mode="rb") as body:
            return bytes(body.read(most))
    except (FileNotFoundError, EOFError, gzip.BadGzipFile, igzip_lib.IsalError) as error:  # type: ignore[misc]
        raise _damaged(path, str(error)) from None


def _damaged(path: Any, why: str) -> Rejected:
    remedy = "restore it from a backup, or delete it and load its window from the source"
    return Rejected(f"{path} is damaged ({why}): {remedy}")


def _write(path: Any, source: IO[bytes]) -> None:
    """Whole or not at all: a store replaces objects atomically, a file is written aside and renamed."""
    if getattr(path, "protocol", "file") not in ("file", "local", ""):
        with path.open("wb") as target:
            shutil.copyfileobj(source, target)
        return
    final = Path(getattr(path, "path", path))
    aside = final.with_name(f".{uuid.uuid4().hex}.part")
    with aside.open("wb") as target:
        shutil.copyfileobj(source, target)
    aside.rename(final)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
