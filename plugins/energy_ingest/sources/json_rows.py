"""A JSON answer of any size as JSON arrays of bounded size, whatever envelope it comes in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from energy_ingest.errors import Rejected, Retryable

PIECE: Final = 8 * 2**20
"""Bytes of one piece: large enough to be fast, small enough to bound memory."""

_BETWEEN_OBJECTS: Final = re.compile(rb'\}\s*,\s*(?=\{\s*")')


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


def json_arrays(chunks: Iterable[bytes], piece: int = PIECE) -> Iterator[bytes]:
    """Cut a bare array, or the `data` array of an object, into arrays of whole objects.

    Raises:
        Retryable: an empty or truncated body, or an HTML page in place of data.
        Rejected: not JSON, or not UTF-8.
    """
    iterator = iter(chunks)
    body = _first_bytes(iterator)
    if body[:1] == b"[":
        yield from _cut(body[1:], iterator, piece)
    else:
        yield _data_of(b"".join([body, *iterator]))


def _first_bytes(chunks: Iterator[bytes]) -> bytes:
    """The body's beginning with its first significant byte in front, after a look at what kind of body it is."""
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > 3 and body.removeprefix(b"\xef\xbb\xbf").strip():
            break
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Rejected("the answer is UTF-16, not UTF-8: the source changed its encoding; look at the archived answer")
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not body:
        raise Retryable("the answer is empty (no byte): the source or a proxy broke off; it is asked again")
    if body[:1] == b"<":
        raise Retryable("the answer is an HTML page, not JSON: a maintenance or proxy page; the source is asked again")
    if body[:1] not in b"[{":
        raise Rejected(f"the answer is not JSON: it starts with {body[:40]!r}; look at the archived answer")
    return body


def _cut(buffer: bytes, chunks: Iterator[bytes], piece: int) -> Iterator[bytes]:
    parts, size = [buffer], len(buffer)
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size < piece:
            continue
        buffer = b"".join(parts)
        if end := _last_boundary(buffer):
            yield b"[" + buffer[: end[0]] + b"]"
            buffer = buffer[end[1] :]
        parts, size = [buffer], len(buffer)
    buffer = b"".join(parts).rstrip()
    if not buffer.endswith(b"]"):
        raise Retryable("the answer breaks off before its closing bracket: truncated on the way; it is asked again")
    if buffer[:-1].strip():
        yield b"[" + buffer


def _last_boundary(buffer: bytes) -> tuple[int, int] | None:
    """End of the last object that another one follows, and start of that one."""
    compact = buffer.rfind(b'},{"')
    if compact >= 0:
        return compact + 1, compact + 2
    match = None
    for match in _BETWEEN_OBJECTS.finditer(buffer):
        pass
    return (match.start() + 1, match.end()) if match else None


def _data_of(body: bytes) -> bytes:
    try:
        return bytes(msgspec.json.decode(body, type=_Envelope).data)
    except msgspec.ValidationError as error:
        raise Rejected(f"the answer is an object without a `data` list ({error}): the source changed its structure") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "truncated" in str(error):
            raise Retryable("the answer breaks off in mid-object: truncated on the way; it is asked again") from None
        raise Rejected(f"the answer is not valid JSON: {error}; look at the archived answer") from None
