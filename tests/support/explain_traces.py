"""Traces for the tests of `wsproxy explain`, and how they run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

import sessions
from sessions import APP
from traces import make_trace
from wsproxy.cli.main import cli
from wsproxy.trace import End, FrameRecord, Record, Request, Response, Start

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
WIDTH = 100
S = 1_000_000_000
BEGAN = 1_790_000_000 * S  # 2026-09-21 14:13:20 UTC
AUDIO = bytes(3200)  # 100 ms
RESULT = (
    '{"type": "Results", "is_final": true, '
    '"channel": {"alternatives": [{"transcript": "good morning"}]}}'
)


Make = Callable[..., Path]


def run(*args: str | Path) -> Result:
    env = {"COLUMNS": str(WIDTH)}
    return CliRunner().invoke(cli, [str(a) for a in args], env=env, standalone_mode=False)


def out_of(*args: str | Path) -> str:
    result = run(*args)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def words(text: str) -> str:
    """Text as one line: where it is wrapped does not matter."""
    return " ".join(text.split())


# -- traces


def start(**values: Any) -> Start:
    fields: dict[str, Any] = {
        "provider": "deepgram",
        "api": "listen",
        "wsproxy": "0.1.0",
        "mitmproxy": "11.0.2",
    }
    began = values.pop("began", BEGAN)
    return Start(0, 1, "0123456789abcdef", began, **{**fields, **values})


def request(**values: Any) -> Request:
    fields: dict[str, Any] = {
        "host": "api.deepgram.com",
        "path": "/v1/listen?encoding=linear16&sample_rate=16000",
        "headers": [["Upgrade", "websocket"]],
    }
    given_fields = {**fields, **values}
    return Request(1, "GET", "wss", port=443, **given_fields)


def opened(*headers: list[str]) -> Response:
    return Response(S // 10, 101, "Switching Protocols", headers=list(headers))


def audio(at: float) -> FrameRecord:
    return sessions.audio(at * 1000, APP, AUDIO)


def text(at: float, content: str, *, from_client: bool = False) -> FrameRecord:
    return sessions.text_message(at * 1000, from_client, content)


def close(at: float, code: int, reason: str = "", *, from_client: bool = False) -> FrameRecord:
    return sessions.closed(at * 1000, from_client, code, reason)


def silent(**values: Any) -> list[Record]:
    """Deepgram hears nothing for 10 s."""
    return [
        start(**values),
        request(),
        opened(["dg-request-id", "5d0bcd4c-a1f8"]),
        text(0.2, '{"type": "Metadata"}'),
        *(audio(0.3 + number / 10) for number in range(20)),
        close(12.3, 1011, "NET-0001"),
        End(int(12.4 * S), "close", "server"),
    ]


def refused(status: int, *headers: list[str], body: bytes = b"", **values: Any) -> list[Record]:
    answer = Response(S, status, "No", headers=list(headers), body=body, body_length=len(body))
    return [start(**values), request(), answer, End(2 * S, "refused", "server")]


def good(pause: float = 0.0, **values: Any) -> list[Record]:
    return [
        start(**values),
        request(),
        opened(),
        *(audio(0.2 + number / 10) for number in range(10)),
        *(audio(1.2 + pause + number / 10) for number in range(10)),
        text(2.3 + pause, '{"type": "CloseStream"}', from_client=True),
        text(2.35 + pause, RESULT),
        close(2.4 + pause, 1000),
        close(2.5 + pause, 1000, from_client=True),
        End(int((2.6 + pause) * S), "close", "server"),
    ]


def trace_writer(folder: Path) -> Make:
    """A function that writes records to a trace in a folder."""

    def write(records: Iterable[Record], name: str = "session", *, finish: bool = True) -> Path:
        return make_trace(folder / f"{name}.wstrace", records, finish=finish)

    return write


def printed(renderable: Any) -> str:
    out = StringIO()
    Console(file=out, width=WIDTH).print(renderable)
    return out.getvalue()


def tokens(source: str) -> list[Token]:
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(source)
    return [t for token in parsed for t in (token, *(token.children or ()))]
