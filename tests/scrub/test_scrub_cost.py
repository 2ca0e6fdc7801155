"""The cost of scrubbing any text is linear in its length."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from wsproxy.catalog import load
from wsproxy.scrub.aliases import Aliases
from wsproxy.scrub.allowlist import Allowlist
from wsproxy.scrub.http_head import HeadScrubber
from wsproxy.scrub.texts import SpokenText, TextScrubber
from wsproxy.scrub.trace_fields import fields, long_words, without_harmless

pytestmark = pytest.mark.cost

KNOWN = Allowlist(load(), "deepgram", "listen")
SIZE = 8_000  # characters
RATIO = 2.5  # of the cost of twice as many
ENOUGH = 0.03  # seconds under which a figure says nothing
_PIECES = """
a- a A1- 1 1. 1: a: 'a " [ { {"a": [1, [1], {"1":1, "0":1, \\u00e9 a@ a@b. +1 data:a/b;
data:a/b;base64, ;a= = é- - _ 1- a. / ?a= REDACTED ab-1_ \ue000 :: https://a/ ab12 1e5,
<a> “a” %41 &a=b 1, -1, deadbeef- a1b2c3d4e5f6g7h8
"""
PIECES = [*_PIECES.split(), " 'a", '"a" ', "1 ms ", "0x1 ", "+1 ", " ", "\n", "2024-01-01 "]


def noise(data: bytes) -> bytes:
    return bytes(len(data))


def texts() -> TextScrubber:
    return TextScrubber(KNOWN, Aliases(b"key"), SpokenText())


def heads() -> HeadScrubber:
    return HeadScrubber(texts(), hosts=False)


def message(text: str) -> Any:
    return texts().message(text, noise, from_client=False)


def checked(text: str) -> Any:
    for _, each in fields(text):
        long_words(without_harmless(each, KNOWN))
    return None


WORK: dict[str, Callable[[str], Any]] = {
    "a text": lambda text: texts().replace(text, noise),
    "a failure": lambda text: texts().error_text(text),
    "a message": message,
    "an error message": lambda text: message('{"type": "Error", "message": "' + text),
    "a path": lambda text: heads()._path(text),
    "a user agent": lambda text: heads()._header("User-Agent", text),
    "extensions": lambda text: heads()._header("Sec-WebSocket-Extensions", text),
    "media types": lambda text: heads()._header("Accept", text),
    "a URL": lambda text: heads()._header("Origin", f"http://a/{text}"),
    "the checker": checked,
}


def cost(work: Callable[[str], Any], text: str) -> float:
    """Seconds of this process's CPU."""
    start = time.process_time()
    work(text)
    return time.process_time() - start


@pytest.mark.sweep(keep=3)
@pytest.mark.parametrize("name", WORK)
def test_scrub_cost_of_any_text_is_linear(name: str) -> None:
    work = WORK[name]
    for piece in PIECES:
        once = piece * (SIZE // len(piece))
        one = cost(work, once)
        if one < ENOUGH:
            continue
        # Other processes share the CPU caches: the minimum of several runs counts.
        ratio = min(cost(work, once * 2) / max(cost(work, once), one / 2) for _ in range(4))
        assert ratio < RATIO, (
            f"{piece!r}: {one:.2f} s for {SIZE} characters, {ratio:.1f} times for twice"
        )


def test_scrub_100_kb_of_hyphens_takes_linear_time() -> None:
    """It once took more than 15 s."""
    assert cost(lambda text: texts().replace(text, noise), "a-" * 50_000) < 2
    assert cost(message, "a-" * 50_000) < 2
