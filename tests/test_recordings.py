"""Recordings are told from replays and from traces that were made of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sessions import STALLED, write
from wsproxy.bundle import bundle
from wsproxy.cli.explain import command as explain
from wsproxy.cli.list import command as list_command
from wsproxy.cli.scrub import command as scrub_command
from wsproxy.diagnose.many import Span
from wsproxy.mutate import SetClose, mutate
from wsproxy.recording import Clock, new_start, session_in, trace_path
from wsproxy.replay.library import Library
from wsproxy.replay.recorded import Records
from wsproxy.scrub import scrub
from wsproxy.session import Session
from wsproxy.trace import Request, Response, Start, TraceReader, find_recordings
from wsproxy.trace.records import from_map, to_map


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording, a replay of it, and what was made from it."""
    made = tmp_path / "recordings"
    made.mkdir()
    call = write(made / "call.wstrace", STALLED)
    replay_of(call, made)
    mutate(call, made, [SetClose.parse("1008")])
    scrub(call, made)
    return made


def replay_of(trace: Path, folder: Path) -> Path:
    recording = Records.into(folder).begin(
        Session.read(trace), Clock.start(), "replay-client", None
    )
    headers = [["Upgrade", "websocket"]]
    recording.add(Request(0, "GET", "ws", "127.0.0.1", 80, "/v1/listen", headers=headers))
    recording.response(Response(1, 101))
    recording.end(2)
    return recording.path


@pytest.mark.parametrize(
    ("mode", "changes", "source"),
    [
        (None, None, "recorded"),
        ("regular", None, "recorded"),
        ("reverse:wss://api.example.com", None, "recorded"),
        ("replay-client", None, "replay"),
        ("replay-server", None, "replay"),
        ("mutate", ["close 1008"], "derived"),
        ("scrub", ["scrub"], "derived"),
        ("distill", ["distilled"], "derived"),
        # As distill wrote it before it had a mode of its own.
        ("replay-client", ["distilled"], "derived"),
    ],
)
def test_start_source_of_a_mode(mode: str | None, changes: list[str] | None, source: str) -> None:
    start = Start(0, 1, "0123456789abcdef", 0, mode=mode, origin="a", changes=changes)
    assert start.source == source
    read = from_map(to_map(start))
    assert isinstance(read, Start)
    assert read.source == source


@pytest.mark.parametrize(
    ("mode", "label"),
    [
        ("regular", ""),
        ("replay-client", "-replay"),
        ("replay-server", "-replay"),
        ("mutate", "-mutated"),
        ("scrub", "-scrubbed"),
        ("distill", "-distilled"),
    ],
)
def test_trace_path_of_a_mode_says_what_it_is(mode: str, label: str, tmp_path: Path) -> None:
    path = trace_path(tmp_path, new_start(Clock(0, 0), mode=mode))
    assert path.name.endswith(f"{label}.wstrace")
    # Retention takes the names of recordings alone.
    assert (session_in(path.name) is not None) is (not label)


def test_derived_traces_have_names_that_say_so(folder: Path) -> None:
    labels = sorted(path.stem.rpartition("-")[2] for path in folder.iterdir())
    assert labels == ["call", "mutated", "replay", "scrubbed"]


def test_find_recordings_of_a_folder_leaves_the_others_out(folder: Path) -> None:
    found, left_out = find_recordings([folder])
    assert [path.name for path in found] == ["call.wstrace"]
    assert sorted(source for _, source in left_out) == ["derived", "derived", "replay"]


def test_find_recordings_takes_what_is_named_and_folders_without_a_recording(folder: Path) -> None:
    (replay,) = folder.glob("*-replay.wstrace")
    assert find_recordings([replay]) == ([replay], [])
    (folder / "call.wstrace").unlink()
    found, left_out = find_recordings([folder])
    assert len(found) == 3
    assert left_out == []


def test_list_tells_them_apart(folder: Path) -> None:
    done = CliRunner().invoke(list_command, [str(folder), "--json"])
    entries = json.loads(done.output)
    origins = {Path(entry["path"]).stem.rpartition("-")[2]: entry["origin"] for entry in entries}
    assert origins == {
        "call": "recorded",
        "mutated": "derived",
        "replay": "replay",
        "scrubbed": "derived",
    }
    recorded = Session.read(folder / "call.wstrace").id
    made_from = {entry["origin_session"] for entry in entries if entry["origin"] != "recorded"}
    assert made_from == {recorded}
    text = CliRunner().invoke(list_command, [str(folder)]).output
    assert text.count(", replay,") == 1
    assert text.count(", derived,") == 2


def test_explain_of_a_folder_explains_its_recordings(folder: Path) -> None:
    done = CliRunner().invoke(explain, [str(folder), "--json"])
    explained = json.loads(done.stdout)
    assert [Path(each["path"]).name for each in explained] == ["call.wstrace"]
    assert "3 replays and derived traces are skipped" in done.stderr


def test_replays_and_derived_traces_are_in_no_storm(folder: Path) -> None:
    spans = {path.name: Span.of(Session.read(path)) for path in folder.iterdir()}
    assert [name for name, span in spans.items() if span is not None] == ["call.wstrace"]


def test_library_of_a_folder_serves_its_recordings(folder: Path) -> None:
    library = Library.open(folder)
    assert [volume.trace.name for volume in library.volumes] == ["call.wstrace"]
    assert sorted(line.partition(": ")[2] for line in library.skipped) == [
        "a replay",
        "made from another trace",
        "made from another trace",
    ]
    (mutated,) = folder.glob("*-mutated.wstrace")
    assert [volume.trace for volume in Library.open(mutated).volumes] == [mutated]


def test_bundle_and_scrub_of_a_folder_take_its_recordings(folder: Path, tmp_path: Path) -> None:
    assert len(bundle([folder], tmp_path / "report.zip", environment={})) == 1
    out = tmp_path / "public"
    done = CliRunner().invoke(scrub_command, [str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert len(list(out.iterdir())) == 1


def test_explanation_of_a_replay_says_what_it_replays(folder: Path) -> None:
    (replay,) = folder.glob("*-replay.wstrace")
    recorded = Session.read(folder / "call.wstrace").id
    assert f"replay of session {recorded}" in CliRunner().invoke(explain, [str(replay)]).output
    with TraceReader(replay) as reader:
        start = next(iter(reader))
    assert isinstance(start, Start)
    assert (start.mode, start.origin) == ("replay-client", recorded)
