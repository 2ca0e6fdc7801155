"""Samples with records changed, through every command that reads traces.

An input is a program: which sample, which commands, then one change after another.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack

from fuzz.choices import Choices
from fuzz.judge import Wrong, run, scratch
from fuzz.samples import recorded
from html_page import Page
from wsproxy.distill.script_parts import Parts
from wsproxy.errors import WsproxyError
from wsproxy.replayer.client_replay import ClientOptions, ClientReplay
from wsproxy.replayer.pace import Pace
from wsproxy.replayer.script import Script
from wsproxy.trace.blocks import Compressor, seek_table, seek_table_entry
from wsproxy.trace.records import Sync, to_map

Map = dict[str, Any]

NASTY = (
    "", "\0", "\x1b[2J\x1b]0;x\x07", "\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\", "\x9b31m",
    "\u202eabc\u2066", "\u2028\x85\x0b", "<script>alert(1)</script>", "<img src=x onerror=x>",
    "](javascript:x) [x](https://evil.example)", "![x](https://evil.example/x.png)", "`",
    "```\n# x",
    "| x | y |", "@someone #1 https://evil.example", "[bold red]x[/]",
    "[link=https://evil.example]x",
    "../../../../etc/passwd", "/dev/stdin", "con\r\nX: y", "%00%0d%0a", "\ud800", "\ufeff",
    "𝕏" * 50,
    "x" * 5000, "9" * 400, "-1", "NaN", "1e999", "deepgram", "assemblyai", "listen",
    "1011 NET-0001",
    "permessage-deflate", "websocket", "Wed, 31 Dec 9999 23:59:59 -9959", "99999999999", "REDACTED",
    "?a=%ff&a&=&token=x", "http://[::1", "xn--", "[::1]:99999", ":0", "HTTP/9.9",
    "audio/L16;rate=0",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 7, 10, 100, 101, 125, 126, 200, 304, 404, 429, 503, 999, 1000, 1005, 1011, 4000,
    65_535, 1 << 31, 1 << 32, 1 << 53, (1 << 63) - 1, 1 << 63, 10**15, 10**18,
)  # fmt: skip
OTHERS: tuple[object, ...] = (
    None, True, False, 0.0, float("nan"), float("inf"), float("-inf"), -1.5, b"", b"\0", [], {},
    [[]], [["a"]], [["a", "b", "c"]], [["a", 1]], [[b"a", "b"]], {"a": {}}, [None], [{}],
    [{"where": "header"}], [{"where": "header", "name": "authorization", "length": -1}],
    [{"where": 1, "name": [], "length": "x", "around": "a", "like": {}}],
    [["Upgrade", "websocket"]], [["Sec-WebSocket-Extensions", "permessage-deflate"]],
    [["Retry-After", "9" * 9]], [["Content-Type", "audio/\x1b"]], ["\x1b[31m<b>"],
)  # fmt: skip
_TEXTS = (
    b"null", b"[]", b"{}", b"-1", b"NaN", b'{"type":1}', b'{"type":null}', b'{"type":["Results"]}',
    b'{"type":"\\ud800"}', b'{"a":1e999,"b":-Infinity}', b'{"transcript":"\\u001b[31m"}',
    b"[" * 2000,
    b'{"type":"Error","err_code":"\\u009b<b>","description":"`](x)"}', b'{"a":' * 500, b"\xff\xfe",
    b'{"type":"Results","channel":null,"is_final":"yes"}', b'{"type":"Turn","words":{}}',
    b"1" * 5000,
    b'{"type":"Results","channel":{"alternatives":[]},"is_final":true,"duration":1e308}',
    b'{"type":"Results","start":"NaN","duration":[],"channel":{"alternatives":[{"transcript":7}]}}',
    b'{"realtimeInput":{"audio":{"data":"!!!","mimeType":"audio/pcm;rate=0"}}}',
    b'{"audio":"===="}',
)  # fmt: skip

WRITERS: tuple[tuple[str, ...], ...] = (
    ("scrub",), ("recover", "--json"), ("scrub", "--hosts", "--json"), ("recover",), ("bundle",),
    ("report",), ("report", "--no-audio"), ("play",), ("play", "--side", "app"),
)  # fmt: skip

# What one input runs: it is to be quick, so a few at a time.
READERS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("show",), ("show", "--json")),
    (("show", "--full", "--control"), ("show", "--from", "#2", "--grep", "e", "--limit", "3")),
    (("explain",), ("explain", "--all")),
    (("explain", "--markdown", "--all"), ("explain", "--json")),
    (("list",), ("list", "--json")),
    (("show", "--transcript", "--interims"), ("show", "--waveform")),
    (("show", "--latency"), ("follow", "--json"), ("follow",)),
)
PAIRED: tuple[tuple[str, ...], ...] = (
    ("explain",), ("explain", "--markdown"), ("explain", "--json"), ("diff",), ("diff", "--json"),
    ("diff", "--exact"),
)  # fmt: skip
CHANGES: tuple[tuple[str, ...], ...] = (
    ("--cut", "0.1s..0.5s"), ("--stall", "0.1s+2s:client"), ("--keepalive", "drop"),
    ("--keepalive", "add:1s"), ("--chunk", "20ms"), ("--chunk", "7"), ("--drop", "1..2"),
    ("--corrupt", "1"), ("--replace", '2={"type": "x"}'), ("--close", "1000:done"),
    ("--close", "none"), ("--end", "reset"), ("--query", "model=x"), ("--header", "X-Try: 2"),
    ("--status", "429:{}"), ("--condition", "deepgram.listen.NET-0001"),
    ("--condition", "deepgram.listen.NET-0001", "--after", "3audio"),
)  # fmt: skip


def one(data: bytes) -> None:
    choices = Choices(data)
    records = copy.deepcopy(choices.one_of(recorded()))
    what = choices.byte()
    changed = list(_changed(choices, records))
    with scratch() as folder:
        path = folder / "t.wstrace"
        path.write_bytes(_pack(changed))
        before = path.read_bytes()
        _WAYS[what % len(_WAYS)](what // len(_WAYS), path, records)
        assert path.read_bytes() == before, "the trace was changed"
        left = {each.relative_to(folder).parts[0] for each in folder.rglob("*")}
        if not left <= {"t.wstrace", "other.wstrace", "out"}:
            raise Wrong(f"written outside of --out: {left}")


def _read(which: int, path: Path, _: list[Map]) -> None:
    for name, *options in READERS[which % len(READERS)]:
        run([name, str(path), *options])


def _pair(which: int, path: Path, records: list[Map]) -> None:
    other = path.with_name("other.wstrace")
    other.write_bytes(_pack(records))
    name, *options = PAIRED[which % len(PAIRED)]
    run([name, str(path), str(other), *options])


def _mutate(which: int, path: Path, _: list[Map]) -> None:
    change = CHANGES[which % len(CHANGES)]
    out = path.with_name("out")
    out.mkdir()
    as_json = ["--json"] if which & 1 else []
    if run(["mutate", str(path), *change, "--out", str(out), *as_json]).status == 0:
        (made,) = out.iterdir()
        assert run(["explain", str(made), "--json"]).status == 0


def _write(which: int, path: Path, _: list[Map]) -> None:
    """Commands that make a file of a trace; what they make can be read."""
    out = path.with_name("out")
    out.mkdir()
    name, *options = WRITERS[which % len(WRITERS)]
    names = {"bundle": "made.zip", "report": "made.html", "play": "made.wav"}
    place = out / names.get(name, "made.wstrace")
    run([name, str(path), "--out", str(place), *options])
    if not place.exists():
        return
    if name == "report":
        _check_page(place.read_text())
    elif place.suffix == ".wstrace":
        assert run(["explain", str(place), "--json"]).status == 0


def _check_page(html: str) -> None:
    """Nothing of the trace is markup in its page, and its data can be read."""
    page = Page(html)
    elements = page.root.all()
    if page.unclosed or {each.tag for each in elements} & {"img", "b", "iframe"}:
        raise Wrong(f"markup of the trace: {page.unclosed}")
    for each in elements:
        if any(name.startswith("on") for name in each.attributes):
            raise Wrong(f"an event handler: {each}")
        if each.tag == "script" and each.attributes.get("type") == "application/json":
            json.loads(each.text)


def _replay(which: int, path: Path, _: list[Map]) -> None:
    pace = Pace.parse(("recorded", "causal", "fast", "x2")[which % 4])
    with contextlib.suppress(WsproxyError):
        script = Script.read(path, "server", pace)
        assert script.end_ns >= 0
    with contextlib.suppress(WsproxyError):
        call = ClientReplay(
            path, ClientOptions("ws://127.0.0.1:9", pace=pace, fields=(("token", "t"),))
        )
        call.encode(call.request())
        call.schedule()
    with contextlib.suppress(WsproxyError):
        parts = Parts(Script.read(path, "client", Pace.parse("causal")))
        parts.setup_parts()
        half = parts.without(parts.full, parts.full.kept[::2], keep_time=bool(which & 1))
        parts.build_script(half, pace)
        parts.build_script(parts.without_pauses(half, parts.pauses(half)), pace)


# The commands that read are the most.
_WAYS: tuple[Callable[[int, Path, list[Map]], None], ...] = (
    _read, _pair, _read, _mutate, _write, _replay, _read, _write,
)  # fmt: skip


# -- changes


def _changed(choices: Choices, records: list[Map]) -> Iterator[Map]:
    out = copy.deepcopy(records)
    for _ in range(50):
        if not choices.more or not out:
            break
        _OPERATIONS[choices.byte() % len(_OPERATIONS)](choices, out)
    yield from out


def _set(choices: Choices, out: list[Map]) -> None:
    record = choices.one_of(out)
    record[choices.one_of(sorted(record))] = _value(choices)


def _set_alike(choices: Choices, out: list[Map]) -> None:
    """Another value of the same type, which the reader takes."""
    record = choices.one_of(out)
    name = choices.one_of(sorted(record))
    match record[name]:
        case bool(value):
            record[name] = not value
        case int():
            record[name] = choices.one_of(NUMBERS) if choices.flag() else choices.number(8) >> 1
        case str() if name != "kind":
            record[name] = choices.one_of(NASTY) if choices.flag() else choices.text()
        case bytes():
            record[name] = _payload(choices)
        case list() if name == "headers":
            record[name].append([_text(choices), _text(choices)])


def _add(choices: Choices, out: list[Map]) -> None:
    """A key that this record did not have."""
    record = choices.one_of(out)
    record[choices.one_of(_KEYS)] = _value(choices)


def _header(choices: Choices, out: list[Map]) -> None:
    """Another value for a header that is there."""
    lists = [each["headers"] for each in out if isinstance(each.get("headers"), list)]
    pairs = [pair for each in lists for pair in each if isinstance(pair, list) and len(pair) == 2]
    if pairs:
        choices.one_of(pairs)[choices.byte() & 1] = _text(choices)


def _remove(choices: Choices, out: list[Map]) -> None:
    out.pop(choices.number(1) % len(out))


def _forget(choices: Choices, out: list[Map]) -> None:
    record = choices.one_of(out)
    del record[choices.one_of(sorted(record))]
    record.setdefault("kind", "frame")


def _repeat(choices: Choices, out: list[Map]) -> None:
    record = copy.deepcopy(choices.one_of(out))
    out.insert(choices.number(1) % (len(out) + 1), record)


def _move(choices: Choices, out: list[Map]) -> None:
    record = out.pop(choices.number(1) % len(out))
    out.insert(choices.number(1) % (len(out) + 1), record)


def _message(choices: Choices, out: list[Map]) -> None:
    """A frame more."""
    at = choices.number(1) % (len(out) + 1)
    frame = {
        "kind": "frame",
        "t_ns": out[at - 1].get("t_ns", 0) if at else 0,
        "from_client": choices.flag(),
        "opcode": choices.one_of((1, 2, 0, 8, 9, 10, 1, 8)),
        "fin": choices.byte() & 3 != 0,
        "payload": _payload(choices),
    }
    out.insert(at, frame)


_OPERATIONS = (
    _set_alike, _set, _set_alike, _message, _header, _add, _remove, _repeat, _move, _forget,
    _set_alike, _message,
)  # fmt: skip
_KEYS = (
    "mask", "deflated", "cut", "broken_rule", "body", "body_length", "redacted", "provider", "api",
    "synthetic", "changes", "attempt", "origin", "client", "mode", "mitmproxy", "close_code",
    "close_reason", "closed_by", "findings", "evidence", "records", "size", "reason", "x",
)  # fmt: skip


def _value(choices: Choices) -> object:
    values: tuple[object, ...] = (*OTHERS, *NUMBERS, *NASTY)
    return choices.one_of(values)


def _text(choices: Choices) -> str:
    return choices.one_of(NASTY) if choices.flag() else choices.text()


def _payload(choices: Choices) -> bytes:
    match choices.byte() % 4:
        case 0:
            return choices.one_of(_TEXTS)
        case 1:
            return choices.number(2).to_bytes(2, "big") + _encoded(_text(choices))
        case 2:
            return _encoded(_text(choices))
        case _:
            return choices.take(choices.byte())


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _pack(records: list[Map]) -> bytes:
    block = b"".join(map(_packed, [to_map(Sync(1, "0123456789abcdef", 0)), *records]))
    packed = Compressor().compress(block)
    # `list` finds the end by the table, in the one block that there is.
    return packed + seek_table(seek_table_entry(len(packed), len(block)))


def _packed(record: Map) -> bytes:
    try:
        return bytes(msgpack.packb(record, unicode_errors="surrogatepass"))
    except OverflowError:  # msgpack has no number of that size
        return b""


def seeds() -> Iterator[bytes]:
    """Each sample in each way, and changes of every kind."""
    for number in range(len(recorded())):
        yield bytes([number, number * 7 % 256])
    for number in range(256):
        changes = (number * step % 256 for step in (1, 3, 5, 7, 11, 13, 17, 19, 23, 29))
        yield bytes([number, number, *changes])
