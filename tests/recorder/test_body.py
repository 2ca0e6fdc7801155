"""The beginning of HTTP bodies that stream by: kept as it is, decoded within a limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from mitmproxy.http import Response

from wsproxy.proxy.http_stream import body_prefix, stream_body
from wsproxy.recorder import MAX_BODY, BodySnapshot

TEXT = b'{"err_code":"INVALID_AUTH"}'
MIB = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


ENCODED = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def passed(data: bytes, encoding: str, pieces: int = 3) -> Response:
    """An answer whose body has streamed by."""
    response = Response.make(401)
    if encoding:
        response.headers["content-encoding"] = encoding
    stream_body(response)
    assert callable(response.stream)
    size = len(data) // pieces + 1
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        assert response.stream(piece) == piece
    assert response.stream(b"") == b""
    return response


@pytest.mark.parametrize("encoding", ENCODED)
def test_body_prefix_short_body_is_decoded(encoding: str) -> None:
    assert body_prefix(passed(ENCODED[encoding](TEXT), encoding)) == BodySnapshot(TEXT, len(TEXT))


@pytest.mark.parametrize("encoding", ENCODED)
def test_body_prefix_empty_body_redacts_nothing(encoding: str) -> None:
    assert body_prefix(passed(ENCODED[encoding](b""), encoding)) == BodySnapshot(b"", 0)
    assert body_prefix(passed(b"", encoding)) == BodySnapshot(b"", 0)


def test_body_prefix_raw_deflate_is_decoded() -> None:
    assert body_prefix(passed(raw_deflate(TEXT), "deflate")) == BodySnapshot(TEXT, len(TEXT))


def test_body_prefix_long_body_keeps_beginning_and_length() -> None:
    data = bytes(range(256)) * 1000
    assert body_prefix(passed(data, "")) == BodySnapshot(data[:MAX_BODY], len(data))


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("encoding", [e for e in ENCODED if e])
def test_body_prefix_decompression_bomb_uses_little_memory(encoding: str) -> None:
    """64 MiB of zeros, in a few kilobytes or less."""
    bomb = ENCODED[encoding](bytes(64 * MIB))
    response = passed(bomb, encoding)
    tracemalloc.start()
    body = body_prefix(response)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert body == BodySnapshot(bytes(MAX_BODY), len(bomb))
    assert most < 32 * MIB


@pytest.mark.parametrize("encoding", [*(e for e in ENCODED if e), "unheard-of"])
def test_body_prefix_undecodable_body_is_redacted(encoding: str) -> None:
    body = body_prefix(passed(b"\xff" + TEXT, encoding))
    assert (body.data, body.size) == (b"", len(TEXT) + 1)
    (entry,) = body.redacted
    assert (entry["why"], entry["length"]) == ("unreadable", len(TEXT) + 1)


def test_body_prefix_cut_body_is_decoded_partially() -> None:
    body = body_prefix(passed(gzip.compress(TEXT * 100)[:60], "gzip"))
    assert (TEXT * 100).startswith(body.data)
    assert body.data
    assert body.size == len(body.data)


def test_body_prefix_response_of_the_proxy_is_complete() -> None:
    assert body_prefix(Response.make(503, TEXT)) == BodySnapshot(TEXT, len(TEXT))
