"""Credentials in every place of every provider are not in traces, logs and output.

The sessions run through the real proxy: ws and wss, accepted and refused. The messages are
complete, fragmented, compressed, in incomplete frames, and repeated by the server.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import queue
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from click.testing import CliRunner

from commands import printed_by_readers
from tls_certificates import Certificate
from wire_bytes import BINARY, CONT, MASK, TEXT, Deflater, accepted, close, frame, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy import catalog
from wsproxy.catalog import Provider
from wsproxy.cli.recording_options import ended_lines
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.recorder import SessionWriter
from wsproxy.recorder import worker as capture_recorder
from wsproxy.redact import PLACEHOLDER
from wsproxy.session import Session
from wsproxy.trace import Bytes, FrameRecord, TraceReader
from wsproxy.wire import Close, FrameParser, Garbage, Opcode, accept_key

KNOWN = catalog.load()
PROVIDERS = [each for each in KNOWN.providers if each.id != "traffic"]
HOSTS = {"deepgram": "/v1/listen", "soniox": "/transcribe-websocket"}
PRINTED = {"deepgram", "soniox", "elevenlabs"}


@dataclass
class Planted:
    """Unique values, and the texts in which they are planted."""

    values: list[str] = field(default_factory=list)

    def new(self, where: str) -> str:
        value = f"s3cr3t+{where[:12]}/{len(self.values):04}=Zq9"
        self.values.append(value)
        return value

    def headers(self, provider: Provider) -> list[str]:
        credentials = provider.credentials
        lines = [f"{name}: {self.new(name)}" for name in credentials.headers]
        lines += [f"{n.title()}: Bearer {self.new(n)}" for n in credentials.headers]
        lines += [f"Cookie: a=b; session={self.new('cookie')}"]
        lines += [f"Proxy-Authorization: Basic {self.new('proxy')}"]
        lines += [f"X-Acme-Secret: {self.new('rule')}", f"X-Thing: sk_{self.new('shape')[:6]}"]
        self.values[-1] = "sk_live4Y2kF9s8Zq7Xw6Vu5Tt4"
        lines[-1] = f"X-Thing: {self.values[-1]}"
        lines += [f"Referer: https://u:{quote(self.new('referer'), safe='')}@host/x"]
        items = [i for name in credentials.subprotocols for i in (name, self.new("item"))]
        items += [f"{p}{self.new('prefix')}" for p in credentials.subprotocol_prefixes]
        return lines + ([f"Sec-WebSocket-Protocol: {', '.join(items)}"] if items else [])

    def query(self, provider: Provider) -> str:
        names = (*provider.credentials.query, "x-amz-signature", "callback_secret")
        pairs = [f"{name}={quote(self.new(name), safe='')}" for name in names]
        user, token = quote(self.new("user"), safe=""), quote(self.new("nested"), safe="")
        callback = f"https://{user}@h.example/done?a=1&token={token}"
        return "&".join([*pairs, f"callback={quote(callback, safe='')}", "model=nova"])

    def messages(self, provider: Provider) -> list[bytes]:
        names = (*provider.credentials.message_fields, "api_key", "xi_api_key", "acme_secret")
        contents = [json.dumps({name: self.new(name), "model": "nova"}).encode() for name in names]
        deep = {"a": [{"authorization": f"Bearer {self.new('deep')}"}]}
        contents.append(json.dumps(deep).encode())
        contents.append(
            json.dumps({"config": json.dumps({"api_key": self.new("string")})}).encode()
        )
        url = f"wss://api.example/live?token={quote(self.new('url'), safe='')}"
        contents.append(
            json.dumps({"url": url, "signed": f"https://{self.new('open')[:6]}@x"}).encode()
        )
        return contents

    def found_in(self, text: bytes) -> list[str]:
        """The planted values that are in a text, in any spelling."""
        forms = {value: (value, quote(value), quote(value, safe="")) for value in self.values}
        return [v for v, spelt in forms.items() if any(f.encode() in text for f in spelt)]


@dataclass
class Proxy:
    running: RunningProxy
    done: queue.Queue[Path] = field(default_factory=queue.Queue)
    printed_lines: list[str] = field(default_factory=list)  # what `run` and `record` print

    def connect(self, upstream: int, *, tls: bool) -> Peer:
        assert self.running.address is not None
        return through_connect(self.running.address[1], upstream, tls=tls)

    def trace(self) -> Path:
        return self.done.get(timeout=PATIENCE)


@contextlib.contextmanager
def recording(folder: Path) -> Iterator[Proxy]:
    done: queue.Queue[Path] = queue.Queue()
    printed_lines: list[str] = []

    def ended(recording: SessionWriter) -> None:
        printed_lines.extend(ended_lines(recording))
        done.put(recording.path)

    settings = ProxySettings(
        port=0, out=folder / "traces", confdir=folder / "conf", options=("ssl_insecure=true",)
    )
    with background(settings, on_end=ended) as running:
        yield Proxy(running, done, printed_lines)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with recording(tmp_path_factory.mktemp("secrets")) as it:
        yield it


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem")


def decompressed(path: Path) -> bytes:
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return b"".join(iter(lambda: reader.read(1 << 16), b""))


def printed(path: Path) -> bytes:
    """The output of the commands that read a trace."""
    diff = importlib.import_module("wsproxy.cli.diff").command
    compared = CliRunner().invoke(diff, [str(path), str(path)], catch_exceptions=False).output
    return f"{printed_by_readers(path)}\n{compared}".encode()


def pieces(message: bytes, size: int, opcode: int = TEXT, mask: bytes | None = MASK) -> bytes:
    """A message in fragments of `size` bytes."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    last = len(parts) - 1
    return b"".join(
        frame(CONT if n else opcode, part, fin=n == last, mask=mask) for n, part in enumerate(parts)
    )


def talk(proxy: Proxy, planted: Planted, provider: Provider, server: int, *, tls: bool) -> bytes:
    """One session with all planted values; returns the head of the response."""
    path = f"{HOSTS.get(provider.id, '/v1/x')}?{planted.query(provider)}"
    head = upgrade(path, "127.0.0.1", *planted.headers(provider))
    peer = proxy.connect(server, tls=tls)
    peer.send_head(head)
    answer = peer.read_head()
    if b" 101 " in answer:
        for n, message in enumerate(planted.messages(provider)):
            opcode = BINARY if n % 3 == 1 else TEXT
            peer.send(frame(opcode, message, mask=MASK))
        for message in planted.messages(provider):
            peer.send(pieces(message, 7), pieces(message, 30))
        peer.send(pieces(planted.messages(provider)[0], 1))
        reason = f"bad key {planted.values[0]}".encode()
        peer.send(close(1008, reason, mask=MASK))
        peer.until_end()
    peer.close()
    return answer


def echo(answer: int) -> Callable[[Peer], None]:
    """Repeats the request in the response, and each message in an error and in fragments."""

    def serve(peer: Peer) -> None:
        lines = peer.read_head().decode().split("\r\n")
        echoed = [line for line in lines[1:] if "s3cr3t" in line]
        echoed.append(f"Location: http://elsewhere{lines[0].split(' ')[1]}")
        echoed.append("Set-Cookie: sid=s3cr3t-of-the-server-1234")
        if answer != 101:
            body = json.dumps({"error": "\n".join(echoed), "token": "s3cr3t-granted-99"}).encode()
            extra = [*echoed, f"Content-Length: {len(body)}", "", ""]
            peer.send_head("\r\n".join([f"HTTP/1.1 {answer} No", *extra]).encode() + body)
            peer.until_end()
            return
        peer.send_head(accepted(*echoed))
        seen = 0
        while True:
            frames, _ = split_frames(bytes(peer.received))
            for opcode, payload in frames[seen:]:
                if opcode == 8:
                    peer.send(close(1008, payload[2:]))
                    peer.eof()
                    return
                text = b'{"type":"Error","message":' + json.dumps(payload.decode()).encode() + b"}"
                peer.send(frame(TEXT, text), pieces(text, 40, mask=None))
            seen = len(frames)
            peer.until(len(peer.received) + 1)

    return serve


def split_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Complete messages of a client, with fragments reassembled."""
    out: list[tuple[int, bytes]] = []
    opcode, content = 0, b""
    for each in FrameParser().feed(data):
        if isinstance(each, Garbage):
            continue
        if each.opcode == Opcode.CLOSE:
            out.append((8, each.payload))
            continue
        opcode = int(each.opcode) or opcode
        content += each.payload
        if each.fin:
            out.append((opcode, content))
            content = b""
    return out, b""


@pytest.mark.sweep(kind=lambda answer: answer)
@pytest.mark.parametrize("answer", [101, pytest.param(401, marks=pytest.mark.one_python)])
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_recording_planted_credentials_are_not_in_traces_or_output(
    tls: bool,
    answer: int,
    proxy: Proxy,
    certificate: Certificate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with serving(echo(answer), certificate if tls else None) as server:
        for provider in PROVIDERS[:: 3 if tls else 1]:
            planted = Planted()
            assert str(answer).encode() in talk(proxy, planted, provider, server, tls=tls)
            path = proxy.trace()
            content = decompressed(path)
            assert b"model=nova" in content
            # The output has the same form for all sessions.
            shown = printed(path) if provider.id in PRINTED else b""
            for text in (content, shown):
                assert planted.found_in(text) == [], provider.id
                assert b"s3cr3t" not in text, around(text, b"s3cr3t")
            assert content.count(PLACEHOLDER.encode()) >= len(planted.values)
            output = caplog.text + "\n".join(proxy.printed_lines)
            assert planted.found_in(output.encode()) == []
            assert "redacted by heuristic: header X-Acme-Secret" in output


def around(text: bytes, word: bytes) -> bytes:
    at = text.find(word)
    return text[max(0, at - 60) : at + 60]


def one_session(
    proxy: Proxy, server: Callable[[Peer], None], *frames: bytes, head: str = ""
) -> Path:
    """The trace of a session in which a client sends frames until the server has enough."""
    with serving(server) as port:
        peer = proxy.connect(port, tls=False)
        peer.send_head(upgrade("/transcribe-websocket", "127.0.0.1", *([head] if head else [])))
        peer.read_head()
        peer.send(*frames)
        peer.eof()
        peer.until_end()
        peer.close()
    return proxy.trace()


def taker(*extensions: str) -> Callable[[Peer], None]:
    """Accepts the upgrade and reads all data."""

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(accepted(*extensions))
        peer.until_end()
        peer.eof()

    return serve


KEY = b'{"api_key": "s3cr3t-in-a-message-01", "model": "nova"}'
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


@pytest.mark.one_python
def test_recording_without_redaction_contains_planted_credentials(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_recorder, "SessionRedactor", lambda redact: lambda record: record)
    planted = Planted()
    with serving(echo(101)) as server:
        talk(proxy, planted, PROVIDERS[0], server, tls=False)
        path = proxy.trace()
    assert len(planted.found_in(decompressed(path))) > 20
    assert len(planted.found_in(printed(path))) > 20


def test_recording_compressed_message_is_redacted(proxy: Proxy) -> None:
    deflated = Deflater().message(KEY)
    sent = frame(TEXT, deflated, rsv=4, mask=MASK)
    path = one_session(proxy, taker(DEFLATE), sent, head=DEFLATE)
    content = decompressed(path)
    assert b"s3cr3t" not in content
    [record] = [each for each in TraceReader(path) if isinstance(each, FrameRecord)]
    assert record.payload == b'{"api_key": "REDACTED", "model": "nova"}'
    assert record.wire_length == len(sent)
    assert record.redacted is not None
    assert record.redacted[0]["length"] == len("s3cr3t-in-a-message-01")


@pytest.mark.one_python
def test_recording_unreadable_compressed_message_is_replaced_by_its_length(proxy: Proxy) -> None:
    damaged = Deflater().message(KEY)[:-9] + b"\xff" * 9
    path = one_session(proxy, taker(DEFLATE), frame(TEXT, damaged, rsv=4, mask=MASK), head=DEFLATE)
    [record] = [each for each in TraceReader(path) if isinstance(each, FrameRecord)]
    assert record.deflated
    assert (record.payload, record.cut) == (b"", len(damaged))
    assert record.redacted == [
        {"where": "message", "name": "", "length": len(damaged), "why": "unreadable"}
    ]


@pytest.mark.one_python
@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, KEY, mask=MASK)[:-3],
        frame(TEXT, KEY, mask=MASK)[:-25],
        frame(0x3, KEY, mask=MASK),
        b"\x81\xff\xff" + b"\x00" * 7 + frame(TEXT, KEY, mask=MASK),
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + KEY,
    ],
    ids=["unfinished", "begun", "reserved", "lost", "text"],
)
def test_recording_invalid_bytes_are_redacted(proxy: Proxy, sent: bytes) -> None:
    path = one_session(proxy, taker(), sent)
    kept = b"".join(each.data for each in TraceReader(path) if isinstance(each, Bytes))
    assert len(kept) == len(sent)
    # With the masking key that was used, and with its three rotations.
    for turn in range(4):
        key = (MASK[turn:] + MASK[:turn]) * (len(kept) // 4 + 1)
        clear = bytes(a ^ b for a, b in zip(kept, key, strict=False))
        assert b"s3cr" not in clear
    assert b"s3cr" not in kept


def test_replay_key_is_not_in_its_trace(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the server repeats it: in a header, a message, a close reason."""
    recorded = one_session(proxy, echo(101), frame(TEXT, KEY, mask=MASK), close(1000, mask=MASK))
    key = "s3cr3t-of-the-user-77"
    command = importlib.import_module("wsproxy.cli.replay").command
    monkeypatch.setenv("SONIOX_API_KEY", key)
    received: list[str] = []

    def serve(peer: Peer) -> None:
        received.append(peer.read_head().decode())
        [nonce] = re.findall(r"(?i)sec-websocket-key: (.*)\r", received[0])
        head = accepted(f"X-Seen: {key}").decode()
        made = re.sub("(?i)(sec-websocket-accept: ).*?\r", rf"\g<1>{accept_key(nonce)}\r", head)
        peer.send_head(made.encode())
        while not (frames := split_frames(bytes(peer.received))[0]):
            peer.until(len(peer.received) + 1)
        received.append(frames[0][1].decode())
        peer.send(frame(TEXT, frames[0][1]), close(1008, b"bad " + key.encode()))
        peer.until_end()
        peer.eof()

    with serving(serve) as port:
        arguments = ["client", str(recorded), "--to", f"ws://127.0.0.1:{port}"]
        arguments += ["--out", str(tmp_path / "new"), "--field", f"api_key={key}"]
        done = CliRunner().invoke(command, arguments)
    assert key in received[1], done.output
    [path] = (tmp_path / "new").glob("*.wstrace")
    assert key.encode() not in decompressed(path)
    assert key not in done.output
    session = Session.read(path)
    assert session.response_header("X-Seen") == PLACEHOLDER
    [closed] = [each for each in session.closes if not each.from_client]
    assert str(Close(closed.code, closed.reason)) == f"1008 bad {PLACEHOLDER}"


@pytest.mark.one_python
def test_recording_heuristic_redactions_are_reported(proxy: Proxy) -> None:
    path = one_session(
        proxy,
        taker(),
        frame(TEXT, b'{"acme_secret": "abc-123"}', mask=MASK),
        head="X-Acme-Key: a1B2c3D4e5F6g7H8",
    )
    expected = [
        "header X-Acme-Key (its name says so)",
        "message acme_secret (its name says so)",
    ]
    assert Session.read(path).heuristic_redactions == expected
    command = importlib.import_module("wsproxy.cli.list").command
    [entry] = json.loads(CliRunner().invoke(command, [str(path), "--json"]).output)
    assert entry["heuristic_redactions"] == expected
