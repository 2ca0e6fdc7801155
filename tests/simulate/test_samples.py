"""The sample traces in recordings/: all there, readable, and what their names say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from each_case import each_case
from test_conditions import CASES
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.session import Session
from wsproxy.trace import Bytes, End, FrameRecord, TraceReader

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # the program that makes them is in no package

from tools.samples import __main__ as program  # noqa: E402
from tools.samples import recordings  # noqa: E402
from tools.samples.sample import FOLDER, KEYS, unpacked  # noqa: E402

CATALOG = load()
TRACES = {
    str(path.relative_to(FOLDER))[: -len(".wstrace")]: path for path in FOLDER.rglob("*.wstrace")
}
CONDITIONS = {name: path for name, path in TRACES.items() if not name.startswith("wire/")}
WIRE = {name: sample for name, sample in recordings.SAMPLES.items() if name.startswith("wire/")}


def test_samples_cover_every_condition_of_two_providers() -> None:
    wanted = {
        f"{case.condition.provider}/{case.condition.id}"
        for case in CASES
        if case.condition.provider in ("deepgram", "assemblyai")
    }
    assert len(wanted) > 150
    assert set(CONDITIONS) == wanted


def test_wire_samples_exist_and_are_in_readme() -> None:
    readme = (ROOT / "recordings" / "README.md").read_text()
    assert {name for name in TRACES if name.startswith("wire/")} == set(WIRE)
    for sample in WIRE.values():
        assert f"| `{sample.name}` | {sample.shows} | {sample.ends} |" in readme


@each_case(TRACES)
def test_sample_is_complete_and_small(name: str) -> None:
    with TraceReader(TRACES[name]) as reader:
        records = list(reader)
        assert reader.losses == []
    assert records[-1].kind == "end"
    assert isinstance(records[-1], End)
    assert records[-1].complete
    assert not any(isinstance(r, FrameRecord) and (r.cut or r.deflated) for r in records)
    assert records[-1].t_ns <= 3e9
    assert TRACES[name].stat().st_size <= 64 << 10


@each_case(CONDITIONS)
def test_sample_has_condition_of_its_name(name: str) -> None:
    provider, _, condition = name.partition("/")
    session = Session.read(CONDITIONS[name])
    assert [finding.id for finding in diagnose(session, CATALOG)][:1] == [condition]
    assert session.provider == provider
    assert session.start is not None
    assert session.start.attempt == 1


@pytest.mark.parametrize("name", WIRE)
def test_wire_sample_has_documented_ending(name: str) -> None:
    session = Session.read(TRACES[name])
    assert f"{session.ending} by {session.closed_by}" == WIRE[name].ends


@each_case(TRACES)
def test_sample_has_no_key_and_no_host_data(name: str) -> None:
    session = Session.read(TRACES[name])
    assert session.start is not None
    assert session.request is not None
    assert (session.start.client or "").startswith("127.0.0.1:")
    assert session.request.port == 80
    for value in (session.request_header("Authorization"), session.request_header("Host")):
        assert value in (None, "Token REDACTED", "REDACTED", session.request.host)
    content = unpacked(TRACES[name])
    assert len(content) > 500
    for secret in (*KEYS.values(), str(ROOT), str(Path.home())):
        assert secret.encode() not in content


def test_sample_key_check_finds_planted_key() -> None:
    """Where a key was, its trace says so: it is looked for in what did hold one."""
    taken = [
        entry["length"]
        for path in TRACES.values()
        if (request := Session.read(path).request) is not None
        for entry in request.redacted
    ]
    assert taken.count(len(KEYS["deepgram"])) > 80
    assert taken.count(len(KEYS["assemblyai"])) > 30


def broken(name: str) -> list[str]:
    """The rules that one side breaks in a sample; empty for a frame that is not whole."""
    with TraceReader(TRACES[f"wire/{name}"]) as reader:
        return [
            record.broken_rule or ""
            for record in reader
            if isinstance(record, Bytes) or (isinstance(record, FrameRecord) and record.broken_rule)
        ]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("server-masked-frame", "server frame masked"),
        ("server-reserved-bits", "reserved bit"),
        ("server-bad-opcode", "reserved opcode 0x3"),
        ("server-invalid-utf-8", "not UTF-8"),
        ("client-invalid-utf-8", "not UTF-8"),
        ("server-no-frame", "something else in place of a frame"),
        ("server-cut-frame", ""),
        ("client-unmasked-frame", "client frame not masked"),
        ("client-fragmented-ping", "fragmented control frame"),
    ],
)
def test_wire_sample_breaks_its_rule(name: str, rule: str) -> None:
    assert [rule in each for each in broken(name)] == [True]


@pytest.mark.parametrize("name", ["fragments", "compressed-fragments"])
def test_wire_sample_fragments_have_pings_in_between(name: str) -> None:
    with TraceReader(TRACES[f"wire/{name}"]) as reader:
        frames = [record for record in reader if isinstance(record, FrameRecord)]
    for from_client in (True, False):
        opcodes = [f.opcode for f in frames if f.from_client is from_client and f.opcode != 10]
        start = opcodes.index(1)
        assert opcodes[start : start + 7] == [1, 9, 0, 9, 0, 9, 0]
        assert sum(f.opcode == 10 for f in frames if f.from_client is not from_client) >= 6


def agreed(name: str) -> str:
    return Session.read(TRACES[f"wire/{name}"]).response_header("Sec-WebSocket-Extensions") or ""


def test_wire_samples_compressed_are_compressed_both_ways() -> None:
    for name in ("compressed", "compressed-no-takeover", "compressed-fragments"):
        with TraceReader(TRACES[f"wire/{name}"]) as reader:
            data = [r for r in reader if isinstance(r, FrameRecord) and r.opcode in (1, 2)]
        assert {frame.from_client for frame in data if frame.rsv == 4} == {True, False}
        assert len(data) == sum(frame.rsv == 4 for frame in data)
    assert "no_context_takeover" not in agreed("compressed")
    assert "server_no_context_takeover" in agreed("compressed-no-takeover")
    assert "client_no_context_takeover" in agreed("compressed-no-takeover")


@pytest.mark.parametrize(
    "name", ["wire/reset-by-client", "wire/refused", "deepgram/deepgram.speak.BIG-0001"]
)
def test_sample_recorded_again_has_no_faults(name: str, tmp_path: Path) -> None:
    sample = recordings.SAMPLES[name]
    trace = sample.record(tmp_path)
    assert trace is not None
    assert sample.faults(trace) == []


def test_sample_faults_of_other_trace_are_listed(tmp_path: Path) -> None:
    trace = TRACES["wire/reset-by-client"]
    assert recordings.SAMPLES["wire/fin-by-client"].faults(trace) == ["ended as reset by client"]
    faults = recordings.SAMPLES["deepgram/deepgram.listen.NET-0001"].faults(trace)
    assert faults[0].startswith("found ['rfc6455.end.client-reset'")


def test_make_unknown_sample_name_is_one_line_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["no-such"]) == 2
    assert capsys.readouterr().err == "no sample is named no-such\n"
