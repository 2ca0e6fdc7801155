"""Every sample made public: nothing of it is left, and the failure is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from test_scrub import unpacked
from traces import read_trace
from wsproxy.catalog import load
from wsproxy.cli.scrub import command
from wsproxy.diagnose import diagnose
from wsproxy.scrub import Proof, Scrubbed, prove, scrub
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, Failure, FrameRecord, Record

pytestmark = pytest.mark.xdist_group("scrub_samples")

SAMPLES = Path(__file__).parent.parent / "recordings" / "samples"
TRACES = {str(path.relative_to(SAMPLES)): path for path in sorted(SAMPLES.rglob("*.wstrace"))}
OF_APIS = [name for name in TRACES if not name.startswith("wire/")]
CATALOG = load()
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MADE_UP = b"00000000-0000-4000-8000-000000000000"  # in the path of a sample, as no project's id


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scrubbed]:
    folder = tmp_path_factory.mktemp("public")
    return {
        name: scrub(path, folder / f"{number}.wstrace", catalog=CATALOG)
        for number, (name, path) in enumerate(TRACES.items())
    }


@pytest.fixture(scope="module")
def proofs(public: dict[str, Scrubbed]) -> dict[str, Proof]:
    traces = [(public[name].path, public[name].was) for name in OF_APIS]
    return dict(zip(OF_APIS, prove(traces, timeout=3, catalog=CATALOG), strict=True))


def findings(path: Path) -> list[str]:
    return [finding.id for finding in diagnose(Session.read(path), CATALOG)]


def shape(record: Record) -> tuple[object, ...] | None:
    """What a scrubbed record has as it was."""
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


@pytest.mark.parametrize("name", TRACES)
def test_it_is_explained_as_before(name: str, public: dict[str, Scrubbed]) -> None:
    assert findings(public[name].path) == findings(TRACES[name])
    assert public[name].was == public[name].now
    assert public[name].notes == ()


@pytest.mark.parametrize("name", TRACES)
def test_times_sizes_and_frames_stay(name: str, public: dict[str, Scrubbed]) -> None:
    was, now = (
        [each for record in read_trace(path)[0] if (each := shape(record)) is not None]
        for path in (TRACES[name], public[name].path)
    )
    assert now == was


@pytest.mark.parametrize("name", TRACES)
def test_no_id_and_no_audio_is_left(name: str, public: dict[str, Scrubbed]) -> None:
    new = unpacked(public[name].path)
    ids = set(UUID.findall(unpacked(TRACES[name]))) - {MADE_UP}
    assert not [each for each in ids if each in new]
    for record in read_trace(TRACES[name])[0]:
        if isinstance(record, FrameRecord) and record.opcode == 2 and len(record.payload) > 100:
            piece = record.payload[64:96]
            assert len(set(piece)) < 8 or b"<" in record.payload[:1] or piece not in new


@pytest.mark.parametrize("name", OF_APIS)
def test_the_failure_survives(name: str, proofs: dict[str, Proof]) -> None:
    proof = proofs[name]
    assert proof.survived, json.dumps(proof.as_json(), indent=1)
    assert (proof.as_client, proof.as_server) == ("reproduced", "reproduced")
    assert proof.simulated in ("reproduced", "")


def test_nearly_all_conditions_are_simulated(proofs: dict[str, Proof]) -> None:
    assert len(proofs) > 140
    assert sum(proof.simulated == "reproduced" for proof in proofs.values()) > 130


def test_a_failure_that_did_not_survive_is_told(public: dict[str, Scrubbed]) -> None:
    """What is said to have been another failure, and what a server answers otherwise."""
    path = public["deepgram/deepgram.listen.NET-0001.wstrace"].path
    (proof,) = prove([(path, "deepgram.listen.DATA-0000")], timeout=3, catalog=CATALOG)
    assert not proof.survived
    assert proof.as_json()["explained_now"] == "deepgram.listen.NET-0001"


# -- the command


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(command, [str(each) for each in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_the_command_makes_and_proves(tmp_path: Path) -> None:
    sample = TRACES["deepgram/deepgram.listen.NET-0001.wstrace"]
    code, out, _ = run(sample, "--out", tmp_path / "p.wstrace", "--prove", "--timeout", 3)
    assert code == 0, out
    assert "replay client reproduced, replay server reproduced" in out
    assert "explained as deepgram.listen.NET-0001" in out


def test_several_go_into_a_folder(tmp_path: Path) -> None:
    samples = [TRACES[name] for name in OF_APIS[:2]]
    code, out, _ = run(*samples, "--out", tmp_path / "new", "--json")
    assert code == 0
    told = json.loads(out)
    assert [Path(each["trace"]) for each in told] == samples
    assert {Path(each["made"]).parent for each in told} == {tmp_path / "new"}
    assert all(each["explained_before"] == each["explained_now"] for each in told)


def test_what_cannot_be_made_public_is_told_in_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.scrub.texts.Texts.free", lambda _self, text: text)
    sample = TRACES["deepgram/deepgram.listen.TOO_MANY_REQUESTS.wstrace"]
    code, out, err = run(sample, "--out", tmp_path / "p.wstrace")
    assert code == 1
    assert out == ""
    assert "response header 'dg-request-id': an id" in err
    assert err.splitlines()[-1].endswith("nothing was written")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_trace_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "a.wstrace").write_bytes(b"no trace at all")
    code, _, err = run(tmp_path / "a.wstrace")
    assert code == 3
    assert len(err.splitlines()) == 1
