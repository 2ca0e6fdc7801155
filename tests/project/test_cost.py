"""Time is linear: of every regular expression, and of what reads texts of a trace.

Processor time, the least of several tries; what is quick at the largest size is not asked for
its growth, since a machine that does other things would spoil the answer.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import pytest

from regexes import END, ROOMS, Regex, of_catalog, of_modules, texts
from sweeps import sampled
from wsproxy.audio import containers, sniff
from wsproxy.catalog import envelope, load
from wsproxy.catalog.pattern_cost import too_costly
from wsproxy.compare import excerpt as compare_text
from wsproxy.compare import transcript, volatile_values
from wsproxy.diagnose import evidence, measurements
from wsproxy.report import json_output, markdown, safe_text
from wsproxy.report import text as report_text
from wsproxy.session.transcript_result import TranscriptResult

# In one worker: the expressions of the source are found once.
pytestmark = [pytest.mark.cost, pytest.mark.xdist_group("cost")]

GROWTH = 2.5  # times the time for twice the text
SMALL = 8 << 10  # characters on which everything is tried
QUICK = 0.002  # seconds for SMALL; what is no quicker is looked at for its growth
MEGABYTE = 1 << 20
ENOUGH = 0.1  # seconds under which any size is quick

# Where an expression is put together at run time, and what keeps it cheap.
REPORTED = {
    "wsproxy.proxy.recorded_hosts": "the user's own option",
    "wsproxy.catalog.toml_table": "checked by `too_costly`",
    "wsproxy.catalog.cross_match": "one error code, escaped",
    "wsproxy.catalog.server_sentence": "bounded repetitions, in a body of bounded length",
    "wsproxy.cli.show": "the user's own option",
    "wsproxy.diagnose.error_classes": "searched in MAX_WORDS characters",
    "wsproxy.diagnose.parameters": "one name, escaped, in a sentence of bounded length",
    "wsproxy.diagnose.scripts": "one letter of a block",
    "wsproxy.session.control_events": "alternatives without repetitions",
    "wsproxy.replayer.value_rewriter": "bounded repetitions around names of the catalog",
}


def seconds(work: Callable[[], object], tries: int = 3) -> float:
    """Processor time that something takes, the least of some tries."""
    least = float("inf")
    for _ in range(tries):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least


def grows(work: Callable[[str], object], make: Callable[[int], str], sizes: Sequence[int]) -> str:
    """Empty where the time is linear in the size; else what was measured."""
    small, before = 0, float("inf")
    for large in sizes:
        text = make(large)
        after = seconds(partial(work, text), 1)
        if after > ENOUGH and after > GROWTH * before:
            # Nearly always the machine did something else; then the second look is quick.
            # One is enough where the time is long: the machine adds less than that.
            tries = 4 if after < 10 * ENOUGH else 1
            last = make(small) if small else ""
            before = seconds(partial(work, last), tries) if small else before
            after = min(after, seconds(partial(work, text), tries))
        if after > ENOUGH and after > GROWTH * before:
            return f"{small} characters {before:.3f} s, {large} characters {after:.3f} s"
        small, before = large, after
    return ""


def doubled(low: int, high: int) -> list[int]:
    return [low << n for n in range(20) if low << n <= high]


# -- regular expressions


def slow_on(regex: Regex) -> str:
    """The text on which an expression is not linear; empty where it is on all of them."""
    run = regex.run
    for text in texts(regex.pattern, SMALL):
        for size in (SMALL // 64, SMALL // 16, SMALL // 4):  # where it would not end
            if (took := seconds(partial(run, text[:size]), 1)) > ENOUGH:
                return f"{size} characters {took:.3f} s: {text[:60]!r}..."
        took = seconds(partial(run, text), 1)
        if took <= QUICK or is_quick_when_long(run, text, took):
            continue
        if why := grows(run, partial(longer, text), SIZES):
            return f"{why}: {text[:60]!r}..."
    return ""


SIZES = doubled(2 * SMALL, 16 * SMALL)


def is_quick_when_long(run: Callable[[str], object], text: str, took: float) -> bool:
    """Whether the largest size is quick as well, and so all between; tried where it may be."""
    expected = took * SIZES[-1] / SMALL
    return expected <= ENOUGH and seconds(partial(run, longer(text, SIZES[-1])), 1) <= ENOUGH


def longer(text: str, size: int) -> str:
    """A text over and over, or more of what it ends with, and the end of `texts`."""
    text = text.removesuffix(END)
    begin = text.rstrip(text[-1])
    repeated = text * (size // len(text) + 1) if len(begin) > len(text) // 2 else begin
    return repeated.ljust(size, text[-1])[: size - 1] + END


def room_of(regex: Regex) -> str:
    return ".".join(regex.where.split(":")[0].split(".")[:2])


def of_room(room: str) -> list[Regex]:
    return [regex for regex in of_modules()[0] if room_of(regex) == room]


@pytest.mark.sweep(keep=len(ROOMS))  # of all rooms, of each a sample
@pytest.mark.parametrize("room", ROOMS)
def test_code_regexes_take_linear_time(room: str, request: pytest.FixtureRequest) -> None:
    found = sampled(request, of_room(room), 5)
    slow = ((f"{r.where}: {r.pattern.pattern!r}", slow_on(r)) for r in found)
    assert not list(itertools.islice((each for each in slow if each[1]), 3))  # the first few


@pytest.mark.sweep
def test_catalog_regexes_take_linear_time(request: pytest.FixtureRequest) -> None:
    found = of_catalog()
    assert len(found) > 300
    tried = sampled(request, found, 40)
    assert not {r.where: why for r in tried if (why := slow_on(r))}


def test_collected_regexes_cover_the_source() -> None:
    """At least as many as a search of the source finds; the others are reported."""
    found, unreported = of_modules()
    assert len(found) > 100
    assert {room_of(regex) for regex in found} <= set(ROOMS)
    assert {each.split(":")[0] for each in unreported} == set(REPORTED)


@pytest.mark.soak
@pytest.mark.parametrize("room", ROOMS)
def test_code_regexes_accept_one_megabyte(room: str) -> None:
    for regex in of_room(room):
        for text in texts(regex.pattern, MEGABYTE // 4):
            why = grows(regex.run, partial(longer, text), doubled(MEGABYTE // 4, MEGABYTE))
            assert not why, (regex, text[:60])


@pytest.mark.sweep
@pytest.mark.parametrize("pattern", ["a+b", "error.*timeout", r"1 *x? *b"])
def test_slow_on_quadratic_expression_finds_it(pattern: str) -> None:
    """The measure itself can fail."""
    assert slow_on(Regex("here", re.compile(pattern)))


# -- patterns of a user's own catalog file


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b", "(a|aa)+b", "(a?){50}b", ".*a.*b", r"(\w+\s?)*$", "(x+x+)+y", "(a*)*",
        "(?=(a+)+b)c", "(.*)(.*)(.*)", "(?>(a+)+b)", "(?:(?:a{0,9}){0,9}){0,9}b", "(?s)(.+)+x",
        r"(?i)([a-z]+|\d+)*!", "((a+)+)?b", "(?i)(?:ab|AB)*c", "(?i)(?:sb|\u017fb)*c",
        "(?i)(?:s*\u017f)*c",
    ],
)  # fmt: skip
def test_too_costly_nested_repetition_is_refused(pattern: str) -> None:
    assert "may take too long" in too_costly(re.compile(pattern))


@pytest.mark.parametrize(
    "pattern",
    [
        "", "error", "error.*timeout", r"^\s*foo\s*$", "(?:ab|cd)+x", r"(\d+) of (\d+)$",
        r"(?i)limit of (?P<limit>[\d.]+) s", "[^`]+`x`", "(?:a|b|c)", ".{0,80}x.{0,80}y",
    ],
)  # fmt: skip
def test_too_costly_plain_pattern_is_accepted(pattern: str) -> None:
    assert too_costly(re.compile(pattern)) == ""


def test_too_costly_every_catalog_pattern_is_accepted() -> None:
    assert not [r for r in of_catalog() if too_costly(cast("re.Pattern[str]", r.pattern))]


# -- texts


def _transcript(text: str) -> None:
    out = transcript.Transcript()
    out.add(1, TranscriptResult(text, True, True, fragmented=True))
    out.add(2, TranscriptResult(text, True, True))
    str(out), out.tracks(), out.words()


def _distance(text: str) -> None:
    left, right = transcript.Transcript(), transcript.Transcript()
    left.add(1, TranscriptResult(text, True, True))
    right.add(1, TranscriptResult(text[::-1], True, True))
    transcript.compare_transcripts(left, right)


PATHS: dict[str, Callable[[str], object]] = {
    "safe": safe_text.safe,
    "short": lambda text: safe_text.short(text, 200),
    "compact": report_text.compact,
    "dumps": lambda text: json_output.dumps({"text": text, text: [text]}),
    "quoted": lambda text: evidence.quoted(text, 200),
    "markdown code": lambda text: markdown.code(text),
    "json_object": envelope.json_object,
    "azure text": lambda text: envelope.read("azure", text),
    "azure binary": lambda text: envelope.read("azure", b"\xff\xff" + text.encode()),
    "event-stream": lambda text: envelope.read("event-stream", text.encode()),
    "sniff": lambda text: sniff.sniff.__wrapped__(text.encode()),
    "container": lambda text: containers.container_name(text.encode()),
    "read_header": lambda text: containers.read_header(b"RIFF1234WAVE" + text.encode()),
    "is_json": measurements.is_json,
    "mask_volatile": volatile_values.mask_volatile,
    "is_volatile": volatile_values.is_volatile,
    "around_difference": lambda text: compare_text.around_difference(text, text + "x"),
    "transcript": _transcript,
    "distance": _distance,
    "recognize": lambda text: load().recognize(text, f"/{text}?{text}"),
}
# The words of two transcripts are compared with each other, up to `transcript.MAX_WORDS`.
BOUNDED = {"distance": (MEGABYTE // 4, MEGABYTE // 2)}
PIECES = (
    "a", "a-", "a.b@", "1", "1 ", "1.", "-", " ", "\n", "\x1b", "\u202e", "\N{GRINNING FACE}", '"',
    "\\", '\\"', '{"a":', '{"a":1},', "[", "[],", "<", "`", "``a", "*_", "error ", "Path: x\r\n",
    "01234567-89ab-cdef-0123-456789abcdef", "2026-01-01T00:00:00Z", "don't ", "fmt ", "OggS\0",
    "x=1&", "%61", "/v1/listen", "\u4e00",
)  # fmt: skip


@pytest.mark.sweep(keep=12)
@pytest.mark.parametrize("path", PATHS)
def test_text_paths_take_linear_time(path: str) -> None:
    work = PATHS[path]
    for piece in PIECES:
        if seconds(partial(work, longer(piece, SMALL)), 1) > QUICK:
            sizes = doubled(*BOUNDED.get(path, (4 * SMALL, 16 * SMALL)))
            why = grows(work, partial(longer, piece), sizes)
            assert not why, piece
