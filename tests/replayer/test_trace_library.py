"""Which of several traces answers a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trace_builder import TraceBuilder
from wsproxy.errors import TraceError, UsageError
from wsproxy.replayer.trace_library import ServedTrace, TraceLibrary
from wsproxy.trace import Failure, Request

UPGRADE = [["Upgrade", "websocket"]]
LISTEN = "/v1/listen?model=nova-3&token=REDACTED"


def record(
    folder: Path,
    name: str,
    path: str = LISTEN,
    *,
    at: int = 0,
    host: str = "api.deepgram.com",
    headers: list[list[str]] = UPGRADE,
    **start: Any,
) -> Path:
    """A trace that was begun `at` seconds."""
    request = Request(0, "GET", "wss", host, 443, path, headers=headers)
    began_ns = at * 1_000_000_000
    builder = TraceBuilder(folder / f"{name}.wstrace", request, began_ns=began_ns, **start)
    return builder.accept().done()


def picked(
    library: TraceLibrary,
    path: str = "/v1/listen?model=nova-3&token=secret",
    headers: list[list[str]] = UPGRADE,
    host: str = "api.deepgram.com",
) -> str:
    served = library.pick(path, headers, host)
    return served.path.stem if isinstance(served, ServedTrace) else served


def test_library_single_trace_matches_any_path(tmp_path: Path) -> None:
    library = TraceLibrary.open(record(tmp_path, "one"))
    assert picked(library, "/other") == "one"
    assert picked(library) == "one"


def test_library_upgrade_trace_refuses_plain_request(tmp_path: Path) -> None:
    library = TraceLibrary.open(record(tmp_path, "one"))
    assert "a plain request" in picked(library, headers=[])


def test_library_folder_serves_path_in_recorded_order(tmp_path: Path) -> None:
    record(tmp_path, "a-second", at=20)
    record(tmp_path, "b-first", at=10)
    record(tmp_path, "speak", "/v1/speak", at=5)
    library = TraceLibrary.open(tmp_path)
    assert [picked(library) for _ in range(3)] == ["b-first", "a-second", "b-first"]
    assert picked(library, "/v1/speak?x=1") == "speak"


def test_library_unmatched_request_names_nearest(tmp_path: Path) -> None:
    record(tmp_path, "listen")
    library = TraceLibrary.open(tmp_path)
    assert picked(library, "/v2/listen") == (
        "path '/v2/listen', not '/v1/listen' (nearest: listen.wstrace)"
    )


@pytest.mark.parametrize(
    ("match", "path", "fits"),
    [
        ("query", "/v1/listen?token=other&model=nova-3", True),  # a credential is no matter
        ("query", "/v1/listen?model=nova-2&token=x", False),
        ("query.model", "/v1/listen?model=nova-3&language=de", True),
        ("query.model", "/v1/listen?language=de", False),
        ("host", "/anything", True),
    ],
)
def test_library_requested_facets_are_matched(
    match: str, path: str, fits: bool, tmp_path: Path
) -> None:
    library = TraceLibrary.open(record(tmp_path, "one"), [match])
    assert (picked(library, path) == "one") is fits


def test_library_match_on_host_selects_trace(tmp_path: Path) -> None:
    library = TraceLibrary.open(record(tmp_path, "one"), ["host"])
    assert "host" in picked(library, host="api.eu.deepgram.com")


def test_library_match_on_subprotocol_ignores_key(tmp_path: Path) -> None:
    named = [*UPGRADE, ["Sec-WebSocket-Protocol", "token, REDACTED"]]
    library = TraceLibrary.open(record(tmp_path, "one", headers=named), ["subprotocol"])
    assert picked(library, headers=[*UPGRADE, ["sec-websocket-protocol", "token, k"]]) == "one"
    assert "subprotocol" in picked(library, headers=UPGRADE)


def test_library_match_on_attempt_selects_trace(tmp_path: Path) -> None:
    record(tmp_path, "refused", attempt=1)
    record(tmp_path, "again", attempt=2)
    library = TraceLibrary.open(tmp_path, ["path", "attempt"])
    assert [picked(library), picked(library)] == ["refused", "again"]
    assert "attempt '3'" in picked(library)


def test_library_unservable_traces_are_listed(tmp_path: Path) -> None:
    record(tmp_path, "good")
    (tmp_path / "bad.wstrace").write_bytes(b"no trace")
    unresolved = TraceBuilder(tmp_path / "dns.wstrace", synthetic=True)
    unresolved.add(
        Request(0, "GET", "wss", "h", 443, "/"), Failure(1, "dns", False, "no such host")
    )
    unresolved.done()
    library = TraceLibrary.open(tmp_path)
    assert [served.path.stem for served in library.traces] == ["good"]
    assert len(library.skipped) == 2
    with pytest.raises(UsageError, match=r"it failed before \(dns\)"):
        TraceLibrary.open(unresolved.path)


def test_library_bad_input_is_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no trace in"):
        TraceLibrary.open(tmp_path)
    with pytest.raises(TraceError):
        TraceLibrary.open(tmp_path / "missing.wstrace")
    with pytest.raises(UsageError, match="cannot match on 'color'"):
        TraceLibrary.open(record(tmp_path, "one"), ["color"])


def test_library_answers_for_recorded_hosts(tmp_path: Path) -> None:
    record(tmp_path, "one", provider="deepgram", api="listen")
    library = TraceLibrary.open(tmp_path)
    assert library.answers_for("API.deepgram.com", "/v1/listen")
    assert library.answers_for("api.eu.deepgram.com", "/v1/listen?x")  # the same provider's
    assert not library.answers_for("api.assemblyai.com", "/v1/listen")
    assert not library.answers_for("example.com", "/")
