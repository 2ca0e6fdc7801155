"""Files that a stranger could send: small, quickly made, and costly to who believes them.

Each function writes a trace, or what else may have the name of one, at a path.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import msgpack

from wsproxy.trace import (
    VERSION,
    Bytes,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.trace.blocks import Compressor
from wsproxy.trace.parts import part_path
from wsproxy.trace.records import More, Sync, to_map
from wsproxy.wire import Close

SESSION = "0123456789abcdef"
MB = 1 << 20
WORDS = b"the quick brown Alice met Bob at 12 Baker street +49 151 1234567 "
Make = Callable[[Path], None]
MAKERS: dict[str, Make] = {}

_UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
HEAD: tuple[Record, ...] = (
    Start(0, VERSION, SESSION, 10**18, provider="deepgram", api="listen"),
    Request(
        1, "GET", "wss", "api.deepgram.com", 443, "/v1/listen?encoding=linear16", headers=_UPGRADE
    ),
    Response(2, 101, "Switching Protocols", headers=_UPGRADE),
)
REFUSED: tuple[Record, ...] = (
    *HEAD[:2],
    Response(2, 400, "Bad Request", headers=[["Content-Type", "application/json"]]),
)
CLOSE = FrameRecord(5, False, 8, Close(1011, "NET-0001").serialize())
EMPTY = FrameRecord(10**9, True, 2, b"", wire_length=6)
# A frame that the reader's short way does not take: its time is below 2**16 ns.
SLOW = FrameRecord(3, True, 2, b"", wire_length=6)


def maker(make: Make) -> Make:
    MAKERS[make.__name__] = make
    return make


def pack(*records: Record | bytes) -> bytes:
    """Records as they stand in a block; bytes as they are."""
    return b"".join(
        each if isinstance(each, bytes) else msgpack.packb(to_map(each)) for each in records
    )


def block(content: bytes, number: int = 0, session: str = SESSION) -> bytes:
    return Compressor().compress(pack_any(Sync(VERSION, session, number)) + content)


def pack_any(record: object) -> bytes:
    return bytes(msgpack.packb(to_map(record)))  # type: ignore[arg-type]


def write(path: Path, *contents: bytes, head: Iterable[Record] = HEAD) -> None:
    """A trace with a head, and a block for each of the contents."""
    blocks = [block(content, number) for number, content in enumerate(contents, 1)]
    path.write_bytes(block(pack(*head)) + b"".join(blocks))


def text(message: object, *, from_client: bool = False, t_ns: int = 10**9) -> bytes:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return pack(FrameRecord(t_ns, from_client, 1, data, wire_length=len(data) + 8))


# -- many records in few bytes


@maker
def millions_of_frames(path: Path) -> None:
    write(path, *[pack(EMPTY) * 150_000] * 20, pack(CLOSE))


@maker
def millions_of_frames_of_the_slow_kind(path: Path) -> None:
    write(path, *[pack(SLOW) * 150_000] * 20, pack(CLOSE))


@maker
def millions_of_fragments(path: Path) -> None:
    write(
        path,
        pack(FrameRecord(10**9, False, 1, b"", fin=False)) * 150_000,
        *[pack(FrameRecord(10**9, False, 0, b"", fin=False)) * 150_000] * 5,
    )


@maker
def millions_of_pings(path: Path) -> None:
    pings = [FrameRecord(10**9 + n, False, 9, b"%d" % n, wire_length=8) for n in range(60_000)]
    pongs = [FrameRecord(10**10 + n, True, 10, b"x%d" % n, wire_length=9) for n in range(60_000)]
    write(path, pack(*pings), pack(*pongs))


@maker
def millions_of_unknown_records(path: Path) -> None:
    write(path, *[msgpack.packb({"kind": "later"}) * 1_000_000] * 4)


@maker
def millions_of_bad_records(path: Path) -> None:
    write(path, *[b"\x80" * 5_000_000] * 2)


@maker
def a_hundred_thousand_closes(path: Path) -> None:
    write(path, pack(CLOSE) * 100_000)


@maker
def a_hundred_thousand_starts(path: Path) -> None:
    write(path, pack(*HEAD) * 50_000)


@maker
def a_hundred_thousand_ends_of_streams(path: Path) -> None:
    write(path, pack(Eof(5, False, "reset")) * 100_000)


@maker
def a_hundred_thousand_bytes_of_no_frame(path: Path) -> None:
    write(path, pack(Bytes(10**9, False, WORDS, "reserved opcode")) * 100_000)


@maker
def many_failures_gaps_and_findings_of_much_text(path: Path) -> None:
    """Only the first hundred are kept of each: of any size, they were."""
    words = "\N{GRINNING FACE}" + "x" * 1_000_000
    many: list[Record] = [Failure(5, "tls-server", False, words), Gap(5, 6, words)]
    many += [FindingRecord(5, words[:1000], "error", words[:1000], [words])]
    write(path, *[pack(*many) * 20] * 6)


@maker
def many_failures_gaps_and_findings_that_are_kept(path: Path) -> None:
    words = "\N{GRINNING FACE}" + "x" * 60_000
    many: list[Record] = [Failure(5, "tls-server", False, words), Gap(5, 6, words)]
    many += [FindingRecord(5, "deepgram.x", "error", "x", [words])]
    write(path, *[pack(*many) * 60] * 4)


# -- much content in few bytes


@maker
def six_frames_of_60_mb(path: Path) -> None:
    zeros = pack(FrameRecord(10**9, True, 2, bytes(60 * MB), wire_length=60 * MB + 14))
    write(path, *[zeros] * 6)


@maker
def two_pieces_of_audio_an_hour_apart(path: Path) -> None:
    write(path, *[pack(FrameRecord(t * 10**9, True, 2, b"\x10\0" * 1600)) for t in (1, 3599)])


@maker
def an_hour_of_silence_of_both_sides(path: Path) -> None:
    silence = [FrameRecord(n // 2 * 10**8, n % 2 > 0, 2, bytes(3200)) for n in range(72_000)]
    write(path, *[pack(*silence[n : n + 4000]) for n in range(0, len(silence), 4000)])


@maker
def a_text_of_60_mb(path: Path) -> None:
    write(path, text(b"a" * (60 * MB)))


@maker
def a_text_of_15_mb(path: Path) -> None:
    write(path, text(b'{"type":"Results","x":"' + b"a" * (15 * MB) + b'"}'))


@maker
def a_text_of_15_mb_in_wide_characters(path: Path) -> None:
    write(path, text("\N{GRINNING FACE}".encode() + b"\x1b" * (15 * MB)))


@maker
def a_text_of_15_mb_of_lists(path: Path) -> None:
    write(path, text(b"[" + b"[]," * (5 * MB) + b"[]]"))


@maker
def a_text_of_30_mb_of_words(path: Path) -> None:
    write(path, text(b'{"type":"Results","transcript":"' + WORDS * (MB // 2) + b'"}'))


@maker
def a_text_of_30_mb_of_words_of_an_unknown_api(path: Path) -> None:
    write(path, text(b'{"type":"Results","transcript":"' + WORDS * (MB // 2) + b'"}'), head=())


@maker
def a_text_of_15_mb_of_values(path: Path) -> None:
    write(path, text(b'{"words":[' + b'{"w":"alice","s":1.25},' * (MB * 2 // 3) + b"1]}"))


@maker
def a_text_of_15_mb_of_base64(path: Path) -> None:
    message = b'{"type":"input_audio_buffer.append","audio":"' + b"AAEA/f8C" * (2 * MB) + b'"}'
    write(path, text(message, from_client=True))


@maker
def words_that_are_all_different(path: Path) -> None:
    write(path, text(" ".join(f"{n * 2654435761 % (1 << 32):08x}" for n in range(150_000))))


@maker
def thousands_of_texts_of_words(path: Path) -> None:
    message = text(
        {"type": "Results", "channel": {"alternatives": [{"transcript": "a word " * 60}]}}
    )
    write(path, message * 20_000)


@maker
def ninety_thousand_texts_of_words(path: Path) -> None:
    transcript = {"channel": {"alternatives": [{"transcript": "a word " * 80}]}}
    write(path, *[text({"type": "Results", **transcript}) * 30_000] * 3)


@maker
def texts_of_a_megabyte_of_lists(path: Path) -> None:
    """Each is as long as `diff` reads."""
    write(path, *[text(b'{"type":"Results","x":[' + b"[]," * (300 << 10) + b"1]}") * 8] * 8)


@maker
def thousands_of_binary_texts(path: Path) -> None:
    write(path, pack(FrameRecord(10**9, True, 2, WORDS * 10)) * 20_000)


@maker
def a_hundred_thousand_container_headers(path: Path) -> None:
    """Each says that it is longer than it is."""
    page = b"OggS\0\2" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\xff" * 256
    form = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    wave = b"RIFF" + b"\xff" * 4 + b"WAVEfmt " + form + b"data" + b"\xff" * 4
    webm = b"\x1aE\xdf\xa3\x01" + b"\xff" * 7 + b"\x18S\x80g\x01" + b"\xff" * 7
    frames = [FrameRecord(10**9, True, 2, head) for head in (page, wave, webm)]
    write(path, pack(*frames) * 33_000)


@maker
def a_close_reason_of_15_mb(path: Path) -> None:
    write(path, pack(FrameRecord(10**9, False, 8, b"\x03\xf3" + b"a" * (15 * MB))))


@maker
def garbage_of_15_mb(path: Path) -> None:
    write(path, pack(Bytes(10**9, False, bytes(15 * MB), "reserved opcode")))


@maker
def a_broken_rule_of_15_mb(path: Path) -> None:
    frame = {**to_map(EMPTY), "broken_rule": "\N{GRINNING FACE}" + "x" * (15 * MB)}
    write(path, msgpack.packb(frame), pack(CLOSE))


@maker
def zeros_that_are_no_trace(path: Path) -> None:
    """205 kB of them were read for 20 s."""
    path.write_bytes(Compressor().compress(bytes(79 * MB)) * 40)


@maker
def a_frame_of_10_gb(path: Path) -> None:
    zeros = b"\x02\x00\x10\0"  # a zstd block: 128 KiB of one byte
    content = zeros * (10 << 13) + b"\x03\x00\x10\0" + bytes(4)
    path.write_bytes(
        block(pack(*HEAD)) + b"\x28\xb5\x2f\xfd\xc4\x68" + struct.pack("<Q", 10 << 30) + content
    )


# -- messages that are costly to read


def _messages(path: Path, *texts: bytes, head: Iterable[Record] = HEAD) -> None:
    """As many as are kept of each side, and more."""
    both = [text(each, from_client=side) for side in (True, False) for each in texts]
    write(path, b"".join(both) * (400 // len(texts)), pack(CLOSE), head=head)


@maker
def messages_of_nested_objects(path: Path) -> None:
    depths = (200, 800, 950, 990, 20_000)
    _messages(path, *(b'{"type":' * n + b"1" + b"}" * n for n in depths), b'{"a":' + b"[" * 60_000)


@maker
def messages_of_thousands_of_values(path: Path) -> None:
    wide = b'{"type":"Error","err_msg":"x","a":[' + b"[]," * 21_000 + b"1]}"
    names = b"{" + b",".join(b'"%x":{}' % n for n in range(6000)) + b"}"
    _messages(path, wide, names)


@maker
def messages_of_huge_numbers(path: Path) -> None:
    digits = b'{"type":"Results","start":%s,"duration":%s,"err_code":%s}'
    huge = (b"9" * 4000, b"9" * 5000, b"1e999", b"-1e-999", b"NaN", b"-Infinity")
    _messages(path, *(digits % (n, n, n) for n in huge))


@maker
def messages_of_wide_characters(path: Path) -> None:
    wide = {"type": "Error", "err_msg": "\N{GRINNING FACE}" + "x" * 60_000}
    _messages(path, json.dumps(wide, ensure_ascii=False).encode())


@maker
def messages_of_words_of_errors(path: Path) -> None:
    """What the catalog's patterns begin with, over and over."""
    words = "error timeout authorization Bearer invalid api key limit exceeded model a- 1 of "
    fields = ("err_msg", "message", "details", "error", "description", "reason", "title")
    _messages(path, json.dumps({"type": "Error", **dict.fromkeys(fields, words * 110)}).encode())


@maker
def messages_with_thousands_of_names(path: Path) -> None:
    """Each could be the name of a condition that is near."""
    names = {f"NET-{n:04}"[:40]: f"net-{n:05}-invalid-authentication" for n in range(1200)}
    last = text({"type": "Oops", **names})
    close = FrameRecord(5 * 10**9, False, 8, Close(4999, "x" * 100).serialize())
    write(path, last * 200, text({"type": "x" * 60_000}, from_client=True) * 100, pack(close))


@maker
def base64_in_texts(path: Path) -> None:
    _messages(path, b"A" * 65_000 + b"!", b'"' + b"A" * 65_000 + b'="')


@maker
def a_refusal_with_a_body_of_words(path: Path) -> None:
    body = b"error name=x authorization Bearer <center> timeout a- " * 15_000
    refused = Response(3, 401, "x", headers=[["Retry-After", "9" * 400]], body=body)
    write(path, pack(CLOSE), head=(*HEAD[:2], refused))


@maker
def a_refusal_with_a_body_of_lists(path: Path) -> None:
    refused = Response(3, 401, body=b'{"error":[' + b"[]," * 300_000 + b"1]}")
    write(path, pack(CLOSE), head=(*HEAD[:2], refused))


@maker
def ten_thousand_headers(path: Path) -> None:
    headers = [[f"X-{n}", "a" * 60] for n in range(9990)]
    request = Request(
        1, "GET", "wss", "api.deepgram.com", 443, "/v1/listen?" + "a=1&" * 9000, headers=headers
    )
    write(path, pack(CLOSE), head=(HEAD[0], request, Response(2, 400, headers=headers)))


@maker
def a_hundred_thousand_headers(path: Path) -> None:
    headers = [["a", "b"] for _ in range(100_000)]
    write(path, pack(CLOSE), head=(*HEAD[:2], Response(2, 400, headers=headers)))


@maker
def a_path_of_a_megabyte(path: Path) -> None:
    url = "/v1/listen?" + "a%61&model=" * 90_000
    request = Request(1, "GET", "wss", "api.deepgram.com" * 500, 443, url, headers=_UPGRADE)
    write(path, pack(CLOSE), head=(HEAD[0], request, REFUSED[2]))


@maker
def thousands_of_things_redacted(path: Path) -> None:
    taken = [{"where": "header", "name": f"n{n}", "why": "shape"} for n in range(5000)]
    frame = FrameRecord(10**9, True, 1, b"{}", redacted=taken)
    request = Request(1, "GET", "wss", "api.deepgram.com", 443, "/", redacted=taken)
    write(path, pack(frame) * 60, head=(HEAD[0], request, REFUSED[2]))


@maker
def lists_in_lists(path: Path) -> None:
    write(path, b"\x91" * 5_000_000 + b"\x90", pack(CLOSE))
    path.write_bytes(path.read_bytes() + block(b"\xdd\xff\xff\xff\xff", 3) + block(b"\xc6" * 5, 4))


@maker
def times_at_the_edges(path: Path) -> None:
    frames = [FrameRecord(t, n % 2 == 0, n % 2 + 1, b"{}") for n, t in enumerate(
        [(1 << 63) - 1, 0, 1, (1 << 63) - 2] * 500
    )]  # fmt: skip
    bad = [{**to_map(EMPTY), "t_ns": t} for t in (-1, float("nan"), float("inf"), 1 << 63, 1.5)]
    write(path, pack(*frames), b"".join(map(msgpack.packb, bad)), pack(CLOSE))


# -- files that lie about themselves


@maker
def a_seek_table_that_lies(path: Path) -> None:
    write(path, pack(CLOSE))
    data = path.read_bytes()
    entries = struct.pack("<II", len(data), 0xFFFFFFFF) * 20_000
    footer = struct.pack("<IBI", 20_000, 0, 0x8F92EAB1)
    head = struct.pack("<II", 0x184D2A5E, len(entries) + len(footer))
    path.write_bytes(data + head + entries + footer)


@maker
def a_last_block_of_millions_of_records(path: Path) -> None:
    last = block(pack(EMPTY) * 700_000, 1)
    entry = struct.pack("<II", len(last), 1)
    footer = struct.pack("<IBI", 1, 0, 0x8F92EAB1)
    table = struct.pack("<II", 0x184D2A5E, 17) + entry + footer
    path.write_bytes(block(pack(*HEAD)) + last + table)


@maker
def thousands_of_false_blocks(path: Path) -> None:
    false = Compressor().compress(pack_any(Sync(VERSION, "other", 0)) + bytes(2 * MB))
    path.write_bytes(block(pack(*HEAD)) + (false[:-4] + b"oops") * 2000)


@maker
def thousands_of_empty_frames(path: Path) -> None:
    skip = struct.pack("<II", 0x184D2A50, 0)
    path.write_bytes(block(pack(*HEAD)) + skip * 200_000 + block(pack(CLOSE), 1))


@maker
def thousands_of_blocks_of_another_session(path: Path) -> None:
    other = block(pack(CLOSE), 0, "fedcba9876543210")
    path.write_bytes(block(pack(*HEAD)) + other * 20_000)


@maker
def thousands_of_parts_with_gaps(path: Path) -> None:
    more = block(pack(*HEAD) + pack_any(More(5, 2)))
    path.write_bytes(more)
    for number in range(3, 3000, 2):
        part_path(path, number).write_bytes(more)


@maker
def a_trace_within_a_trace(path: Path) -> None:
    write(path, text({"type": "Results"}), pack(CLOSE))
    inner = path.read_bytes()
    write(path, pack(FrameRecord(9, True, 2, inner * 200)), pack(CLOSE))
    data = path.read_bytes()
    path.write_bytes(data[:150] + inner * 200 + data[150:])


# -- what is no file


@maker
def a_fifo(path: Path) -> None:
    os.mkfifo(path)


@maker
def a_link_to_dev_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


@maker
def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


@maker
def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


NO_FILES = ("a_fifo", "a_link_to_dev_zero", "a_socket", "a_link_to_itself")
