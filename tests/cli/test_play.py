"""`wsproxy play`: the audio of a session, played or as a WAV file."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from command_costs import measure
from commands import wsproxy
from sessions import APP, SERVER, audio, closed, opened, text_message, write
from speech_sessions import spoken

RATE = 16_000
STEP = RATE // 10 * 2  # bytes of 100 ms
SETTINGS = {
    "type": "Settings",
    "audio": {
        "input": {"encoding": "linear16", "sample_rate": RATE},
        "output": {"encoding": "linear16", "sample_rate": 24_000, "container": "none"},
    },
}


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app speaks in the first second, the server answers at once with a second at 24 kHz."""
    records = [*opened("/v1/agent/converse"), text_message(21, APP, SETTINGS)]
    said = spoken(1.0, RATE)
    for number in range(10):
        records.append(audio(100 + number * 100, APP, said[number * STEP : (number + 1) * STEP]))
    answer = spoken(1.0, 24_000)
    for number in range(10):  # faster than it is heard
        records.append(audio(2000 + number, SERVER, answer[number * 4800 : (number + 1) * 4800]))
    records += [closed(3000, APP, 1000), closed(3001, SERVER, 1000)]
    folder = tmp_path_factory.mktemp("talk")
    return write(folder / "talk.wstrace", records, api="agent")


def written(trace: Path, out: Path, *options: object) -> tuple[int, NDArray[np.int16]]:
    """The rate and the samples of the file that is written: a row for each time."""
    done = wsproxy("play", trace, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    with wave.open(str(out)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), data.reshape(-1, file.getnchannels())


def is_silent(samples: NDArray[np.int16]) -> bool:
    return not samples.any()


def test_play_both_has_the_app_left_and_the_server_right_in_session_time(
    talk: Path, tmp_path: Path
) -> None:
    rate, samples = written(talk, tmp_path / "both.wav")
    assert rate == 24_000
    assert len(samples) == pytest.approx(3.0 * rate, abs=0.05 * rate)
    left, right = samples[:, 0], samples[:, 1]
    assert is_silent(left[: int(0.09 * rate)])
    assert not is_silent(left[int(0.1 * rate) : int(1.0 * rate)])
    assert is_silent(left[int(1.15 * rate) :])
    assert is_silent(right[: int(1.99 * rate)])
    heard = right[round(2.0 * rate) : round(2.0 * rate) + rate]
    answer = np.frombuffer(spoken(1.0, 24_000), "<i2")
    assert np.array_equal(heard[: len(answer) - 100], answer[: len(heard) - 100])


def test_play_one_side_has_one_channel(talk: Path, tmp_path: Path) -> None:
    rate, samples = written(talk, tmp_path / "app.wav", "--side", "app")
    assert (rate, samples.shape[1]) == (RATE, 1)
    assert np.array_equal(
        samples[1600 : 1600 + 15_900, 0], np.frombuffer(spoken(1.0), "<i2")[:15_900]
    )


@pytest.mark.parametrize(("place", "begin"), [("0.5s", 0.5), ("500ms", 0.5), ("#5", 0.4)])
def test_play_from_a_place_begins_there(
    talk: Path, tmp_path: Path, place: str, begin: float
) -> None:
    rate, everything = written(talk, tmp_path / "a.wav", "--side", "app")
    _, rest = written(talk, tmp_path / "b.wav", "--side", "app", "--from", place)
    skipped = len(everything) - len(rest)
    assert skipped == pytest.approx(begin * rate, abs=1)
    assert np.array_equal(rest[:8000], everything[skipped : skipped + 8000])


def test_play_notes_a_side_without_audio(tmp_path: Path) -> None:
    records = [*opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")]
    records.append(audio(100, APP, spoken(1.0)))
    trace = write(tmp_path / "a.wstrace", records)
    done = wsproxy("play", trace, "--out", tmp_path / "a.wav")
    assert done.returncode == 0
    assert done.stderr == "note: server: no audio\n"
    assert done.stdout.startswith("wrote ")


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--from", "99s"], 1, "no audio after 99.000 s"),
        (["--from", "#99"], 1, "no frame #99"),
        (["--from", "x"], 2, "invalid --from value 'x'"),
        (["--side", "left"], 2, "left"),
    ],
)
def test_play_of_nothing_is_an_error_in_one_line(
    talk: Path, tmp_path: Path, options: list[str], status: int, said: str
) -> None:
    done = wsproxy("play", talk, "--out", tmp_path / "a.wav", *options)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "a.wav").exists()


def test_play_audio_that_cannot_be_decoded_is_an_error_that_says_why(tmp_path: Path) -> None:
    records = [*opened("/v1/listen?encoding=speex&sample_rate=16000")]
    records += [audio(100 * n, APP, os.urandom(160)) for n in range(1, 20)]
    trace = write(tmp_path / "a.wstrace", records)
    done = wsproxy("play", trace, "--out", tmp_path / "a.wav")
    assert done.returncode == 1
    assert done.stderr.startswith("error: app: ")
    assert "server: no audio" in done.stderr
    assert done.stderr.count("\n") == 1


def test_play_does_not_overwrite_a_file(talk: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    out.write_bytes(b"mine")
    assert wsproxy("play", talk, "--out", out).returncode == 2
    assert out.read_bytes() == b"mine"
    assert wsproxy("play", talk, "--out", out, "--force").returncode == 0
    assert wsproxy("play", talk, "--out", talk, "--force").returncode == 2


@pytest.mark.cost
@pytest.mark.one_python
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_play_of_pieces_far_apart_uses_little_memory(tmp_path: Path) -> None:
    """The silence between them is 64 MB, all of which was in memory, several times."""
    records = [*opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")]
    records += [audio(at, APP, spoken(1.0)) for at in (100, 1_000_000)]
    trace, out = write(tmp_path / "a.wstrace", records), tmp_path / "a.wav"
    (short, far) = measure(
        [
            ["play", str(trace), "--from", "999s", "--out", f"{out}.wav"],
            ["play", str(trace), "--out", str(out)],
        ]
    )
    assert (short.status, far.status) == (0, 0)
    assert out.stat().st_size > 60 << 20
    assert far.rss < short.rss + (16 << 20)


# -- players


def player(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_play_uses_a_player_and_removes_the_private_file(talk: Path, tmp_path: Path) -> None:
    programs, seen = tmp_path / "bin", tmp_path / "seen"
    programs.mkdir()
    player(programs, "aplay", f'/bin/ls -l "$2" > {seen}; /bin/cat "$2" > {seen}.wav')
    done = wsproxy("play", talk, PATH=str(programs))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "playing 3 s of talk.wstrace with aplay\n"
    assert seen.read_text().startswith("-rw-------")
    assert not Path(seen.read_text().split()[-1]).exists()
    written(talk, tmp_path / "a.wav")
    assert Path(f"{seen}.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_play_with_a_player_that_fails_is_an_error_in_one_line(talk: Path, tmp_path: Path) -> None:
    player(tmp_path, "ffplay", "echo first >&2; echo no device >&2; exit 3")
    done = wsproxy("play", talk, PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "error: ffplay ended with status 3: no device\n"


def test_play_without_a_player_says_what_to_do(talk: Path, tmp_path: Path) -> None:
    done = wsproxy("play", talk, PATH=str(tmp_path))
    assert done.returncode == 2
    assert "--out FILE.wav" in done.stderr
    assert done.stderr.count("\n") == 1
