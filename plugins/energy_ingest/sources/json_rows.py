"""A JSON answer of any size as JSON arrays of bounded size, whatever envelope it comes in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from energy_ingest.errors import Rejected, Retryable

PIECE: Final = 2**20
"""Bytes of one array: its decoded rows fit a processor's cache, which makes reading them a third faster."""

_BOM: Final = b"\xef\xbb\xbf"
_FIRST_FIELD: Final = re.compile(rb'\[\s*\{\s*("\w+")')
_TRUNCATED: Final = "the answer breaks off before its closing bracket: truncated on the way; it is asked again"


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


def json_arrays(chunks: Iterable[bytes], piece: int = PIECE) -> Iterator[bytes | bytearray]:
    """Cut a bare array, or the `data` array of an object, into arrays of whole objects.

    Only a bare array is cut before it has arrived as a whole: it is the envelope of large answers.

    Raises:
        Retryable: an empty or truncated body, or an HTML page in place of data.
        Rejected: not JSON, or not UTF-8.
    """
    iterator = iter(chunks)
    body = _first_bytes(iterator)
    if body[:1] == b"[":
        yield from _cut(bytearray(body), iterator, piece)
    else:
        yield _data_of(b"".join([body, *iterator]))


def json_document(chunks: Iterable[bytes]) -> Any:
    """A whole JSON answer of whatever structure; numbers are texts, so that they keep their digits.

    Raises:
        Retryable: an empty or truncated body, or an HTML page in place of data.
        Rejected: not JSON, or not UTF-8.
    """
    iterator = iter(chunks)
    body = b"".join([_first_bytes(iterator), *iterator]).rstrip()
    if body[-1:] != {b"[": b"]", b"{": b"}"}[body[:1]]:
        raise Retryable(_TRUNCATED)
    try:
        return json.loads(body.decode(), parse_float=str, parse_int=str, parse_constant=str)
    except ValueError as error:
        raise Rejected(f"the answer is not valid JSON: {error}; look at the archived answer") from None


def _first_bytes(chunks: Iterator[bytes]) -> bytes:
    """The body's beginning with its first significant byte in front, after a look at what kind of body it is."""
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > 3 and body.removeprefix(_BOM).strip():
            break
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in body[:4]:
        raise Rejected(
            "the answer is UTF-16 or UTF-32, not UTF-8: the source changed its encoding; look at the archive"
        )
    body = body.removeprefix(_BOM).lstrip()
    if not body:
        raise Retryable("the answer is empty (no byte): the source or a proxy broke off; it is asked again")
    if body[:1] == b"<":
        raise Retryable("the answer is an HTML page, not JSON: a maintenance or proxy page; the source is asked again")
    if body[:1] not in b"[{":
        raise Rejected(f"the answer is not JSON: it starts with {body[:40]!r}; look at the archived answer")
    return body


def _cut(array: bytearray, chunks: Iterator[bytes], piece: int) -> Iterator[bytearray]:
    """Arrays of about `piece` bytes; a search for a place to cut that finds none is repeated at twice the size only."""
    wanted = piece
    for chunk in chunks:
        array += chunk
        if len(array) < wanted:
            continue
        comma = _last_comma(array)
        if comma is None:
            wanted = 2 * len(array)
            continue
        rest = array[comma + 1 :]
        array[comma:] = b"]"
        yield array
        array, wanted = bytearray(b"[") + rest, piece
    if not array.rstrip().endswith(b"]"):
        raise Retryable(_TRUNCATED)
    yield array


def _last_comma(array: bytearray) -> int | None:
    """The last comma between two rows: rows start with the first one's field, as no text and no nested object does."""
    first = _FIRST_FIELD.match(array)
    if not first:
        return None
    field = bytes(first[1])
    compact = array.rfind(b"},{" + field)
    if compact >= 0:
        return compact + 1
    spaced = re.finditer(rb"\}\s*(,)\s*\{\s*" + re.escape(field), array)
    return max((match.start(1) for match in spaced), default=None)


def _data_of(body: bytes) -> bytes:
    if not body.rstrip().endswith(b"}"):
        raise Retryable(_TRUNCATED)
    try:
        return bytes(msgspec.json.decode(body, type=_Envelope).data)
    except msgspec.ValidationError as error:
        raise Rejected(f"the answer is an object without `data` ({error}): the source changed its structure") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "truncated" in str(error):
            raise Retryable(_TRUNCATED) from None
        raise Rejected(f"the answer is not valid JSON: {error}; look at the archived answer") from None
