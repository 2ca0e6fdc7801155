"""The rest of a text from which a credential was redacted is scrubbed like any other text."""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from scrub_sessions import found, header_dict, unpacked
from sessions import APP, MS, SERVER, audio, closed, opened, text_message, write
from traces import read_trace
from wsproxy.catalog import load
from wsproxy.errors import NotPublic
from wsproxy.scrub import scrub
from wsproxy.scrub.aliases import words
from wsproxy.scrub.allowlist import allowlist_for
from wsproxy.scrub.http_head import HeadScrubber
from wsproxy.scrub.texts import TextScrubber
from wsproxy.trace import Bytes, Failure, FrameRecord, Gap, Record, Request, Response
from wsproxy.wire import Opcode, parser

pytestmark = pytest.mark.one_python

PLANTED = ["acmeclinic", "quokka", "zanzibar", "c0ffee"]
HOST = "hooks.acmeclinic.quokka"
TEXTS = [
    f"https://{HOST}/zanzibar?token=REDACTED",
    f"https://REDACTED@{HOST}/zanzibar",
    f"https://{HOST}:8443?token=REDACTED&then=zanzibar",
    "https://[2409:c0ffee::1]:443/x?token=REDACTED",
    "https://localhost:80zanzibar/REDACTED",
    "acmeclinic://REDACTED",
    "zanzibar https://acmeclinic.quokka/REDACTED",
    "acmeclinic-REDACTED",
    "acmeclinic.REDACTED",
    "acmeclinic_REDACTED",
    "REDACTED.acmeclinic",
    "12REDACTED-acmeclinic-zanzibar",
    "1.REDACTED-acmeclinic",
    "Bearer REDACTED zanzibar",
    "acmeclinic=REDACTED; zanzibar=1",
]
# Two known APIs, and an unknown one.
APIS = [("deepgram", "listen"), ("openai", "realtime"), (None, None)]
NAMES = ["webhook", "callback", "x", "model", "language", "token", "metadata"]
HEADERS = [
    *("Sec-WebSocket-Protocol", "Referer", "Origin", "Location", "Cookie", "User-Agent", "Via"),
    *("X-Forwarded-For", "X-Hook", "Authorization", "Server", "Content-Type", "X-Model"),
]


def everywhere(text: str) -> list[list[Any]]:
    """Sessions with a text at every place that may hold part of a credential."""
    given = "&".join(f"{name}={quote(text, '')}" for name in NAMES)
    request, answer = opened(f"/v1/listen/{quote(text, '')}?{given}&y={text}&{quote(text, '')}")
    assert isinstance(request, Request)
    assert isinstance(answer, Response)
    headers = [[name, text] for name in HEADERS]
    frames: list[Record] = []
    for at, side in ((100, APP), (200, SERVER)):
        message = {"type": "Configure", "url": text, "token": text, "model": text}
        frames += [
            text_message(at, side, {**message, "headers": {text: text}}),
            text_message(at + 1, side, text),
            text_message(at + 2, side, {"type": "Error", "description": text, "message": text}),
            text_message(at + 3, side, json.dumps({"a": text})[:-3]),
            audio(at + 4, side, json.dumps({"a": text}).encode()),
            FrameRecord((at + 5) * MS, side, int(Opcode.PING), text.encode()),
        ]
    body = json.dumps({"error": text, "message": text}).encode()
    plain = replace(request, headers=[], method="POST", body=text.encode())
    return [
        [
            replace(request, headers=[*request.headers, *headers]),
            replace(answer, headers=headers, reason=text),
            *frames,
            Gap(250 * MS, 260 * MS, text),
            Bytes(300 * MS, SERVER, text.encode(), text),
            closed(400, SERVER, 1011, text),
        ],
        [plain, replace(answer, status=403, body=body, body_length=len(body))],
        [request, Failure(50 * MS, "connect", False, text)],
    ]


@pytest.mark.sweep(keep=7)
@pytest.mark.parametrize("text", TEXTS)
def test_scrub_text_around_a_redaction_is_replaced(text: str, tmp_path: Path) -> None:
    for provider, api in APIS:
        for number, records in enumerate(everywhere(text)):
            trace = tmp_path / f"{provider}{number}.wstrace"
            write(trace, records, provider=provider, api=api)
            made = unpacked(scrub(trace, tmp_path / f"{provider}{number}-public.wstrace").path)
            assert found("REDACTED", made)
            assert [each for each in PLANTED if found(each, made)] == []


def request_of(tmp_path: Path, path: str = "/v1/listen", **headers: str) -> Request:
    """The request of a session, scrubbed."""
    trace = write(tmp_path / "a.wstrace", opened(path, **headers))
    records, _ = read_trace(scrub(trace, tmp_path / "b.wstrace").path)
    return next(record for record in records if isinstance(record, Request))


def test_scrub_placeholder_stays(tmp_path: Path) -> None:
    url = f"https://REDACTED@{HOST}:8443/zanzibar?token=REDACTED"
    protocols = "token, REDACTED, openai-insecure-api-key.REDACTED, rt_REDACTED"
    request = request_of(
        tmp_path,
        f"/v1/listen?callback={quote(url, '')}&token=REDACTED",
        **{"Sec-WebSocket-Protocol": protocols, "Referer": url, "Authorization": "Token REDACTED"},
    )
    given = dict(parse_qsl(request.path.partition("?")[2]))
    assert given["token"] == "REDACTED"
    assert given["callback"].count("REDACTED") == 2
    headers = header_dict(request)
    assert headers["Sec-WebSocket-Protocol"] == protocols
    assert headers["Authorization"] == "Token REDACTED"
    assert headers["Referer"].startswith("https://REDACTED@")
    assert ".test:8443/" in headers["Referer"]
    assert headers["Referer"].endswith("=REDACTED")


@pytest.mark.parametrize(
    ("host", "made"),
    [
        ("2409:c0ffee::1", "2001:db8::1"),
        ("[2409:c0ffee::1]:443", "[2001:db8::1]:443"),
        ("::ffff:203.0.113.7", "2001:db8::1"),
        ("198.51.100.7:8080", "192.0.2.1:8080"),
        ("localhost:8080", "localhost:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("api.deepgram.com:443", "api.deepgram.com:443"),
    ],
)
def test_scrub_ip_address_is_replaced(host: str, made: str, tmp_path: Path) -> None:
    request = request_of(tmp_path, Host=host, Origin=f"http://{host}")
    headers = header_dict(request)
    assert (headers["Host"], headers["Origin"]) == (made, f"http://{made}")


@pytest.mark.parametrize(
    "versions",
    [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.6778.86 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
        "node/22.12.0 linux/6.8.0-1020-aws",
        "Python/3.14.0rc1 websockets/17.4.post1 darwin/24.1.0",
    ],
)
def test_scrub_version_stays(versions: str, tmp_path: Path) -> None:
    agent = f"{versions} acmeclinic/1.a1B2c3D4e5F6g7H8i9J0k1 zanzibar 5551234567"
    headers = header_dict(request_of(tmp_path, **{"User-Agent": agent}))
    numbers = [part for part in versions.replace("/", " ").split() if part[0].isdecimal()]
    assert all(number in headers["User-Agent"] for number in numbers)
    for own in ("acmeclinic", "a1B2c3D4", "zanzibar", "5551234567"):
        assert own not in headers["User-Agent"]


def taken(*names: str) -> list[dict[str, Any]]:
    return [{"where": "message", "name": name, "fingerprint": "00", "length": 9} for name in names]


def test_scrub_replaced_field_name_is_replaced_in_redacted_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"AcmeClinicToken": "REDACTED", "url": "https://a.b/?quokkatoken=REDACTED"}
    frame = text_message(50, APP, {"type": "Configure", "api_key": "REDACTED", "metadata": own})
    frame = replace(frame, redacted=taken("api_key", "AcmeClinicToken", "quokkatoken"))
    trace = write(tmp_path / "a.wstrace", [*opened("/v1/listen"), frame])
    made = scrub(trace, tmp_path / "b.wstrace").path
    assert [each for each in PLANTED if found(each, unpacked(made))] == []
    (frame,) = (r for r in read_trace(made)[0] if isinstance(r, FrameRecord))
    names = [entry["name"] for entry in frame.redacted or ()]
    assert names[0] == "api_key"
    assert names[1] in json.loads(frame.payload)["metadata"]
    monkeypatch.setattr(TextScrubber, "field_name", lambda _self, name: name)
    with pytest.raises(NotPublic, match="redacted entry: a spoken word"):
        scrub(trace, tmp_path / "c.wstrace")


def test_scrub_ip_address_in_a_failure_is_replaced(tmp_path: Path) -> None:
    error = (
        "Connect call failed ('10.1.2.3', 443), fe80::c0:ffee, 2409:0:1:2:3:4:5:6; not 127.0.0.1"
    )
    request = opened("/v1/listen")[0]
    trace = write(tmp_path / "a.wstrace", [request, Failure(9, "connect", False, error)])
    records, _ = read_trace(scrub(trace, tmp_path / "b.wstrace").path)
    (failure,) = (record for record in records if isinstance(record, Failure))
    assert len(failure.message) == len(error)
    assert failure.message.startswith("Connect call failed ('")
    assert failure.message.endswith(" 127.0.0.1")
    for part in ("10.1.2.3", "fe80", "ffee", "2409:0:1"):
        assert part not in failure.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "projects/acmeclinic/locations/us-central1/publishers/google/models/gemini-2.0"),
        ("path", "home/acmeclinic/call.wav"),
        ("model", "https://acmeclinic.example/model"),
    ],
)
def test_scrub_setting_with_a_personal_name_is_replaced(
    name: str, value: str, tmp_path: Path
) -> None:
    message = text_message(50, APP, {"type": "Configure", name: value})
    path = f"/v1/listen?{name}={quote(value, '')}"
    trace = write(tmp_path / "a.wstrace", [*opened(path), message])
    assert not found("acmeclinic", unpacked(scrub(trace, tmp_path / "b.wstrace").path))


def test_leak_check_unscrubbed_parameter_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check itself treats undocumented parameters as personal."""
    path = f"/v1/listen?webhook={quote(TEXTS[0], '')}"
    trace = write(tmp_path / "a.wstrace", opened(path))
    monkeypatch.setattr(HeadScrubber, "_parameter", lambda _self, part: part)
    with pytest.raises(NotPublic, match="request parameter 'webhook'"):
        scrub(trace, tmp_path / "b.wstrace")


BROWSER = {
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    "Sec-Fetch-Site": "cross-site",
    "Cache-Control": "no-cache",
    "Origin": "http://localhost:3000",
    "Host": "agents.assemblyai.com",
}


ANSWER = [
    ["Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"],
    ["Content-Length", "10485760"],
    ["Vary", "Origin, Access-Control-Request-Method"],
    ["Date", "Sat, 21 Nov 2026 13:00:00 GMT"],
]


@pytest.mark.parametrize(
    "speech", ["open the window", "a cross and a cache", "on localhost", "our agents transcribe it"]
)
def test_scrub_spoken_protocol_words_are_accepted(speech: str, tmp_path: Path) -> None:
    """Words of a header that every browser sends do not cause a refusal."""
    request, answer = opened("/v1/transcribe?x=http://localhost/agents", **BROWSER)
    assert isinstance(answer, Response)
    records = [request, replace(answer, headers=ANSWER)]
    message = text_message(50, SERVER, {"type": "Turn", "transcript": speech})
    trace = write(
        tmp_path / "a.wstrace", [*records, message], provider="assemblyai", api="streaming"
    )
    made = unpacked(scrub(trace, tmp_path / "b.wstrace").path)
    assert speech.encode() not in made
    assert all(each in made for each in (b"client_max_window_bits", b"31536000", b"10485760"))


def test_scrub_broken_rule_of_the_parser_is_kept() -> None:
    """The rules that the parser names do not depend on the words of the catalog."""
    tree = ast.parse(inspect.getsource(parser.FrameParser) + inspect.getsource(parser.RuleChecker))
    rules = [
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and "(section" in str(node.value)
    ]
    assert len(rules) > 8
    known = allowlist_for(load(), None, None).words | {"125", "7692"}
    for rule in [*rules, "something else in place of a frame (section 5.2)"]:
        assert {word.casefold() for word in words(rule)} <= known, rule
