"""Credentials in all places of PLACES are neither written nor printed."""

from __future__ import annotations

import base64
import html
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import zstandard

from commands import printed_by_readers
from credential_places import Place
from credential_spellings import PLACES
from traces import SESSION, make_trace, pack_trace
from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.trace import End, FrameRecord, Record, Request, Response, Start

CATALOG = load()
RUN = 8  # characters of a credential that must not be found
# Known limits are in docs/secrets.md, with their reasons.
LIMITS: dict[str, str] = {}


def cleaned(records: list[Record]) -> list[Record]:
    redactor = SessionRedactor(HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes))
    return [redactor(record) for record in records]


def _unhex(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode())


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj(31).decompress(data) if data.startswith(b"\x1f\x8b\x08") else data


def views(content: bytes) -> Iterator[bytes]:
    """The content, and its decoded views."""
    yield content
    text = content.decode("latin-1")
    for _ in range(3):
        text = html.unescape(unquote(text, "latin-1"))
        text = re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text)
        yield text.replace("\\", "").encode("latin-1", "replace")
    yield content.replace(b"\0", b"")
    yield re.sub(
        r"\\+([01][0-7]{2})", lambda m: chr(int(m[1], 8)), content.decode("latin-1")
    ).encode()
    yield re.sub(rb"\\+u\{(\w\w)\}", lambda m: bytes.fromhex(m[1].decode()), content)
    yield bytes(int(number) for number in re.findall(rb"\b\d{2,3}\b", content) if int(number) < 256)
    joined = re.sub(rb"(?:\\+n|%20|[\s:,'\"-])+", b"", content)
    yield joined
    yield from map(_unhex, re.findall(rb"(?:[0-9a-fA-F]{2}){8,}", joined))
    for word in re.findall(rb"[A-Z2-7=]{24,}", content):
        yield base64.b32decode(word[: len(word) // 8 * 8] if b"=" not in word else word)
    for word in re.findall(rb"[A-Za-z0-9+/_-]{16,}", content + b" " + joined):
        for shift in range(4):
            part = word[shift:].translate(bytes.maketrans(b"-_", b"+/"))
            decoded = base64.b64decode(part[: len(part) // 4 * 4])
            yield _unpacked(decoded)
            if re.fullmatch(rb"[A-Za-z0-9+/=\s]{16,}", decoded):
                yield base64.b64decode(decoded[: len(decoded) // 4 * 4])
    yield from map(_unhex, re.findall(rb"(?:[0-9a-fA-F]{2}){8,}", content))
    for magic, bits in ((b"\x1f\x8b\x08", 31), (b"\x78\x9c", 15)):
        if (at := content.find(magic)) >= 0:
            yield zlib.decompressobj(bits).decompress(content[at:])
    if (at := content.find(b"\x28\xb5\x2f\xfd")) >= 0:
        yield zstandard.ZstdDecompressor().decompressobj().decompress(content[at:])


def found(content: bytes, key: str) -> str:
    """The context of a part of a credential in some bytes; empty if there is none."""
    low = key.lower()
    size = min(RUN, len(key))
    runs = {low[at : at + size].encode() for at in range(len(low) - size + 1)}
    for view in views(content):
        view = view.lower()
        for run in runs:
            if run in view:
                at = view.index(run)
                return view[max(0, at - 30) : at + 40].decode("latin-1")
    return ""


def written(records: list[Record]) -> bytes:
    """A decompressed trace of these records."""
    trace = io.BytesIO(pack_trace([records]))
    reader = zstandard.ZstdDecompressor().stream_reader(trace, read_across_frames=True)
    return reader.read()


@pytest.mark.one_python
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_session_redactor_credential_in_place_is_not_written(place: Place) -> None:
    for key in place.keys:
        records = place.records(key)
        assert found(written(records), key), "it is not planted"
        left = found(written(cleaned(records)), key)
        assert (left != "") == (place.name in LIMITS), (key, left)


@pytest.mark.one_python
def test_places_are_at_least_200_and_unique() -> None:
    assert len({place.name for place in PLACES}) == len(PLACES) >= 200
    assert len(LIMITS) <= 10


@pytest.mark.sweep(keep=1)
@pytest.mark.one_python
@pytest.mark.parametrize("kind", ["refused", "accepted"])
def test_commands_credentials_of_all_places_are_not_printed(tmp_path: Path, kind: str) -> None:
    """One trace holds the redacted records of all places."""
    records: list[Record] = [Start(0, 1, SESSION, 0)]
    keys = set()
    head: list[list[str]] = []
    for place in PLACES:
        if place.name in LIMITS:
            continue
        for key in place.keys:
            for record in cleaned(place.records(key)):
                keys.add(key)
                if isinstance(record, FrameRecord):
                    records.append(record)
                elif isinstance(record, Request | Response):
                    head += record.headers
    request = Request(1, "GET", "wss", "api.deepgram.com", 443, "/v1/listen", headers=head)
    records[1:1] = [request, Response(1, 401 if kind == "refused" else 101, headers=head)]
    trace = make_trace(tmp_path / "x.wstrace", [*records, End(9, "closed")])
    content = printed_by_readers(trace).encode() + b"".join(
        path.read_bytes() for path in tmp_path.iterdir() if path != trace
    )
    low = content.lower()
    for key in keys:
        for at in range(len(key) - RUN + 1):
            where = low.find(key[at : at + RUN].lower().encode())
            assert where < 0, low[max(0, where - 200) : where + 60]
