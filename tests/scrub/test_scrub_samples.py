"""Every sample is scrubbed: its content is replaced and its failure survives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sample_traces import TRACES, kind
from scrub_sessions import unpacked
from sweeps import values_that_run
from traces import read_trace
from wsproxy.catalog import load
from wsproxy.cli.scrub import command
from wsproxy.diagnose import diagnose
from wsproxy.scrub import Proof, Scrubbed, prove, scrub
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, Failure, FrameRecord, Record

OF_APIS = [name for name in TRACES if not name.startswith("wire/")]
CATALOG = load()
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SYNTHETIC = b"00000000-0000-4000-8000-000000000000"  # in the path of a sample, as no project's id


def findings(path: Path) -> list[str]:
    return [finding.id for finding in diagnose(Session.read(path), CATALOG)]


def shape(record: Record) -> tuple[object, ...] | None:
    """The parts of a record that scrubbing keeps."""
    match record:
        case FrameRecord() as f:
            head = (f.t_ns, f.from_client, f.opcode, f.fin, f.rsv, f.mask, f.wire_length, f.cut)
            return (*head, len(f.payload), f.deflated, f.broken_rule)
        case Bytes():
            return (record.t_ns, record.from_client, len(record.data), record.broken_rule)
        case Eof():
            return (record.t_ns, record.from_client, record.how)
        case Failure():
            return (record.t_ns, record.where, record.from_client)
    return None


def shapes(path: Path) -> list[tuple[object, ...]]:
    return [each for record in read_trace(path)[0] if (each := shape(record)) is not None]


def left_of(trace: Path, public: Path) -> list[object]:
    """Ids and audio of a sample that are left in the scrubbed one."""
    new = unpacked(public)
    found: list[object] = [each for each in UUID.findall(unpacked(trace)) if each in new]
    for record in read_trace(trace)[0]:
        if isinstance(record, FrameRecord) and record.opcode == 2 and record.payload[:1] != b"<":
            piece = record.payload[64:96]
            found += [piece] if len(set(piece)) >= 8 and piece in new else []
    return [each for each in found if each != SYNTHETIC]


@pytest.fixture(scope="module")
def scrubbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Scrubbed]:
    """The samples that tests ask for."""
    folder = tmp_path_factory.mktemp("scrubbed")
    return {
        name: scrub(TRACES[name], folder / TRACES[name].name, catalog=CATALOG)
        for name in values_that_run(request, "name")
    }


@pytest.fixture(scope="module")
def proofs(scrubbed: dict[str, Scrubbed]) -> dict[str, Proof]:
    """Those of APIs, replayed together."""
    of_apis = [name for name in scrubbed if name in OF_APIS]
    traces = [(scrubbed[name].path, scrubbed[name].finding_before) for name in of_apis]
    return dict(zip(of_apis, prove(traces, timeout=30, catalog=CATALOG), strict=True))


# In one worker: the samples are scrubbed and replayed together.
@pytest.mark.one_python
@pytest.mark.xdist_group("scrubbed")
@pytest.mark.timeout(1200)  # of the first, for all
@pytest.mark.sweep(kind=kind)
@pytest.mark.parametrize("name", TRACES)
def test_scrub_sample_is_accepted_and_its_failure_survives(
    name: str, scrubbed: dict[str, Scrubbed], proofs: dict[str, Proof]
) -> None:
    trace, made = TRACES[name], scrubbed[name]
    assert findings(made.path) == findings(trace)
    assert (made.finding_before, made.notes) == (made.finding_after, ())
    assert shapes(made.path) == shapes(trace), "times, sizes and frames stay"
    assert left_of(trace, made.path) == []
    if proof := proofs.get(name):
        shown = json.dumps(proof.as_json(), indent=1)
        assert proof.survived, shown
        assert (proof.as_client, proof.as_server) == ("reproduced", "reproduced"), shown
        assert proof.simulated == ("reproduced" if is_simulated(proof.finding_after) else ""), shown


def is_simulated(condition: str) -> bool:
    return CATALOG.condition(condition).simulated


def test_scrub_samples_include_all_conditions_of_two_providers() -> None:
    explained = {findings(TRACES[name])[0] for name in OF_APIS}
    conditions = {c.id for c in CATALOG.conditions if c.provider in ("deepgram", "assemblyai")}
    assert len(explained) > 140
    assert len(conditions - explained) <= 3


def test_prove_lost_failure_is_reported(tmp_path: Path) -> None:
    sample = TRACES["deepgram/deepgram.listen.NET-0001.wstrace"]
    made = scrub(sample, tmp_path / "p.wstrace", catalog=CATALOG)
    (proof,) = prove([(made.path, "deepgram.listen.DATA-0000")], timeout=3, catalog=CATALOG)
    assert not proof.survived
    assert proof.as_json()["explained_now"] == "deepgram.listen.NET-0001"


# -- the command


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(command, [str(each) for each in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_scrub_command_with_prove_scrubs_and_replays(tmp_path: Path) -> None:
    sample = TRACES["deepgram/deepgram.listen.NET-0001.wstrace"]
    code, out, _ = run(sample, "--out", tmp_path / "p.wstrace", "--prove", "--timeout", 3)
    assert code == 0, out
    assert "replay client reproduced, replay server reproduced" in out
    assert "explained as deepgram.listen.NET-0001" in out


def test_scrub_command_several_traces_go_into_a_folder(tmp_path: Path) -> None:
    samples = [TRACES[name] for name in OF_APIS[:2]]
    code, out, _ = run(*samples, "--out", tmp_path / "new", "--json")
    assert code == 0
    report = json.loads(out)
    assert [Path(each["trace"]) for each in report] == samples
    assert {Path(each["made"]).parent for each in report} == {tmp_path / "new"}
    assert all(each["explained_before"] == each["explained_now"] for each in report)


def test_scrub_command_refusals_are_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.scrub.texts.TextScrubber.replace", lambda _self, text, *_: text)
    sample = TRACES["deepgram/deepgram.listen.TOO_MANY_REQUESTS.wstrace"]
    code, out, err = run(sample, "--out", tmp_path / "p.wstrace")
    assert code == 1
    assert out == ""
    assert "response header 'dg-request-id': an id" in err
    last = err.splitlines()[-1]
    assert "nothing was written; " in last
    assert "`wsproxy mutate --drop FRAME`" in last, "what to do"
    assert list(tmp_path.iterdir()) == []


def test_scrub_command_unreadable_trace_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "a.wstrace").write_bytes(b"no trace at all")
    code, _, err = run(tmp_path / "a.wstrace")
    assert code == 3
    assert len(err.splitlines()) == 1
