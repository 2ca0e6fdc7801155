"""`wsproxy show` with --transcript, --latency and --waveform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from commands import wsproxy
from html_page import listening
from sessions import APP, SERVER, audio, closed, opened, result, text_message, write
from speech_sessions import spoken
from test_streams import run
from wsproxy.report.waveform import ASCII, BLOCKS

RATE = 16_000
STEP = RATE // 10 * 2


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech for two seconds, nothing for two, then clipping; with results."""
    data = spoken(2.0, RATE)
    records = opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")
    for number in range(20):
        records.append(audio(number * 100, APP, data[number * STEP : (number + 1) * STEP]))
    for number in range(10):
        loud = (b"\xff\x7f" * 20 + b"\x00\x80" * 20) * (STEP // 80)
        records.append(audio(4000 + number * 100, APP, loud))
    records += [
        result(1000, "hello", final=False),
        result(2000, "hello world", final=True),
        result(4500, "", final=True),
        closed(5010, SERVER, 1011, "internal error"),
        closed(5020, APP, 1011),
    ]
    return write(tmp_path_factory.mktemp("talk") / "talk.wstrace", records)


def lines(trace: Path, *options: object, width: int = 80) -> list[str]:
    done = wsproxy("show", trace, *options, COLUMNS=str(width))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# -- transcript


def test_show_transcript_has_the_final_results(talk: Path) -> None:
    assert lines(talk, "--transcript") == ["    2.000 s  #22  user: hello world"]


def test_show_transcript_with_interims_has_all_results(talk: Path) -> None:
    texts = [line.partition("  user")[2] for line in lines(talk, "--transcript", "--interims")]
    assert texts == [" (interim): hello", ": hello world", ": (empty)"]


def test_show_transcript_json_is_that_of_the_timeline(talk: Path) -> None:
    shown = json.loads("\n".join(lines(talk, "--transcript", "--json")))
    timeline = json.loads("\n".join(lines(talk, "--timeline", "--json")))
    assert shown == {"session": timeline["session"], **timeline["transcript"]}


def test_show_transcript_names_channels_and_wraps_to_the_width(tmp_path: Path) -> None:
    records = opened("/v1/listen?multichannel=true")
    for number, text in enumerate(("left " * 40, "right\x1b[31m")):
        channel = {"alternatives": [{"transcript": text}]}
        message = {"type": "Results", "channel_index": [number, 2], "is_final": True}
        records.append(text_message(100 + number, SERVER, {**message, "channel": channel}))
    shown = lines(write(tmp_path / "a.wstrace", records), "--transcript", width=50)
    assert max(map(len, shown)) <= 50
    assert shown[0].startswith("    0.100 s  #1  channel ")
    assert shown[1].startswith(" " * 12 + "left")
    assert "right\\x1b[31m" in shown[-1]


def test_show_transcript_without_final_results_says_so(tmp_path: Path) -> None:
    records = [*opened("/v1/listen"), result(100, "hel", final=False)]
    (line,) = lines(write(tmp_path / "a.wstrace", records), "--transcript")
    assert line == "no final results; 1 interim result"


def test_show_transcript_of_a_turn_has_its_last_final_result(tmp_path: Path) -> None:
    records = opened("/v3/ws")
    for number, text in enumerate(("hello world", "Hello, world.")):
        turn = {"type": "Turn", "turn_order": 0, "end_of_turn": True, "transcript": text}
        records.append(text_message(100 + number, SERVER, turn))
    trace = write(tmp_path / "a.wstrace", records, provider="assemblyai", api="streaming")
    assert [line[-13:] for line in lines(trace, "--transcript")] == ["Hello, world."]


# -- latency


def test_show_latency_has_the_figures_of_the_timeline(talk: Path) -> None:
    timeline = json.loads("\n".join(lines(talk, "--timeline", "--json")))["latency"]
    shown = json.loads("\n".join(lines(talk, "--latency", "--json")))
    assert shown["figures"] == {
        name: value for name, value in timeline.items() if not isinstance(value, list)
    }
    assert shown["figures"]["first_final_s"] == 2.0
    text = "\n".join(lines(talk, "--latency"))
    assert "first final       2.000 s" in text


def test_show_latency_has_percentiles_of_each_series(tmp_path: Path) -> None:
    records = opened("/v1/speak?encoding=linear16&sample_rate=24000")
    waits = [100, 200, 300, 400, 1000]  # ms
    at = 100
    for wait in waits:
        records.append(text_message(at, APP, {"type": "Speak", "text": "Hello there."}))
        records.append(audio(at + wait, SERVER, bytes(4800)))
        at += 2000
    trace = write(tmp_path / "a.wstrace", records, api="speak")
    series = json.loads("\n".join(lines(trace, "--latency", "--json")))["series"]["utterances"]
    assert [point["seconds"] for point in series["points"]] == [wait / 1000 for wait in waits]
    figures = {name: value for name, value in series.items() if name != "points"}
    assert figures == {"count": 5, "p50_s": 0.3, "p95_s": 1.0, "max_s": 1.0}
    (line,) = [line for line in lines(trace, "--latency", width=200) if "utterances" in line]
    assert "p50 0.300 s, p95 1.000 s, max 1.000 s, 5 measurements" in line


def test_show_latency_of_a_session_without_any_says_so(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.wstrace", [])
    assert lines(trace, "--latency")[0].startswith("nothing to measure")


# -- waveform


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_show_waveform_fits_the_width_and_uses_it(talk: Path, width: int) -> None:
    shown = lines(talk, "--waveform", width=width)
    assert max(map(cell_len, shown)) <= width
    assert [line for line in shown if line != line.rstrip()] == []
    (level,) = [line for line in shown if line.startswith(("app →", "→"))]
    assert cell_len(level) >= width - 2


def test_show_waveform_marks_gaps_clipping_and_findings(talk: Path) -> None:
    shown = lines(talk, "--waveform", width=59)  # 50 columns for five seconds
    level, marks, findings = shown[2:5]
    assert level.startswith("app →")
    levels, marks = f"{level[9:]:<50}", f"{marks[9:]:<50}"
    assert set(levels[:19]) <= set(BLOCKS)
    assert levels[21:39] == " " * 18  # nothing arrived
    assert levels[41:49] == "█" * 8
    assert marks[20:39] == "-" * 19
    assert marks[41:49] == "x" * 8
    assert findings.startswith("findings")
    assert "1" in findings
    assert "- no messages for a second or more" in shown
    assert "x clipping" in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_show_waveform_without_block_characters_is_ascii(
    talk: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    status, out, _ = run(monkeypatch, encoding, "strict", "show", str(talk), "--waveform")
    assert status == 0
    shown = out.decode("ascii")
    assert "?" not in shown
    assert set(shown.splitlines()[2][9:]) <= {*ASCII, " "}


def test_show_waveform_has_both_directions_on_one_axis(tmp_path: Path) -> None:
    records = listening(seconds=2.0)
    data = spoken(1.0, RATE)
    for number in range(10):
        piece = data[number * STEP : (number + 1) * STEP]
        records.append(audio(1000 + number * 100, SERVER, piece))
    trace = write(tmp_path / "a.wstrace", records)
    shown = lines(trace, "--waveform")
    (server,) = [line for line in shown if line.startswith("server ←")]
    assert server[9:].startswith(" " * 20)


def test_show_waveform_of_a_session_without_audio_says_so(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.wstrace", opened("/v1/listen"))
    assert "no audio" in lines(trace, "--waveform")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--waveform", "--json"], "--waveform and --json exclude each other"),
        (["--waveform", "--latency"], "--latency and --waveform exclude each other"),
        (["--transcript", "--grep", "x"], "--transcript and --grep exclude each other"),
        (["--interims"], "--interims needs --transcript"),
        (["--latency", "--interims"], "--interims needs --transcript"),
    ],
)
def test_show_options_that_exclude_each_other_are_refused_in_a_line(
    good_trace: Path, options: list[str], said: str
) -> None:
    done = wsproxy("show", good_trace, *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
