"""What a page embeds of each kind of audio, and where the waveform of it is."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_samples import stereo
from html_page import Page, page_of
from planted_audio import base_speech, contained, encoded
from sessions import APP, SERVER, Records, audio, opened, text_message, write
from speech_sessions import spoken

SECONDS = 3.0


def embedded(page: Page, number: int = 0) -> tuple[dict[str, Any], bytes]:
    track = page.data("tracks")[number]
    element = page.root.one("script", id=track["audio"]["element"])
    return track, base64.b64decode(element.text)


def sent(data: bytes, query: str, pieces: int = 30) -> Records:
    size = -(-len(data) // pieces)
    size += size % 2
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    step = SECONDS * 1000 / pieces
    return [
        *opened(f"/v1/listen?{query}"),
        *(audio(100 + n * step, APP, c) for n, c in enumerate(chunks)),
    ]


@pytest.mark.parametrize(
    ("container", "media"),
    [
        ("Ogg/Opus", "audio/ogg"),
        ("WebM", "audio/webm"),
        ("MP3", "audio/mpeg"),
        ("FLAC", "audio/flac"),
    ],
)
def test_page_embeds_a_container_as_it_was_sent(container: str, media: str, tmp_path: Path) -> None:
    data = contained(base_speech(16_000)[: int(SECONDS * 16_000)], container)
    trace = write(tmp_path / "a.wstrace", sent(data, "model=nova-3"))
    track, file = embedded(page_of(trace))
    assert track["audio"]["type"] == media
    assert file == data
    assert track["audio"]["seconds"] == pytest.approx(SECONDS, abs=0.1)
    assert len(track["peaks"]["low"]) == pytest.approx(SECONDS * 50, abs=6)
    assert max(track["peaks"]["high"]) > 20


@pytest.mark.one_python
@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "linear32", "float32", "pcm_s16be"])
def test_page_embeds_other_samples_as_pcm_of_the_same_sound(encoding: str, tmp_path: Path) -> None:
    samples = base_speech(8000)[: int(SECONDS * 8000)]
    data = encoded(samples, encoding)
    trace = write(tmp_path / "a.wstrace", sent(data, f"encoding={encoding}&sample_rate=8000"))
    track, file = embedded(page_of(trace))
    with wave.open(io.BytesIO(file)) as read:
        assert (read.getnchannels(), read.getframerate()) == (1, 8000)
        found = np.frombuffer(read.readframes(read.getnframes()), np.int16)
    assert len(found) == pytest.approx(len(samples), abs=100)
    count = min(len(found), len(samples))
    assert np.corrcoef(found[:count], samples[:count])[0, 1] > 0.98
    assert track["duration"] == pytest.approx(SECONDS, abs=0.05)


def test_page_embeds_both_channels(tmp_path: Path) -> None:
    left = spoken(SECONDS, 16_000)
    data = stereo(left, bytes(len(left)))
    query = "encoding=linear16&sample_rate=16000&channels=2"
    track, file = embedded(page_of(write(tmp_path / "a.wstrace", sent(data, query))))
    assert track["audio"]["channels"] == 2
    assert file[44:] == data


def test_page_embeds_base64_audio_of_both_sides(tmp_path: Path) -> None:
    data = spoken(SECONDS, 24_000)
    records = opened("/v1/realtime?model=gpt-realtime")
    for number, at in enumerate(range(0, len(data), 4800)):
        text = base64.b64encode(data[at : at + 4800]).decode()
        asked = {"type": "input_audio_buffer.append", "audio": text}
        records.append(text_message(100 + number * 100, APP, asked))
        said = {"type": "response.output_audio.delta", "delta": text}
        records.append(text_message(5000 + number * 10, SERVER, said))
    trace = write(tmp_path / "a.wstrace", records, provider="openai", api="realtime")
    page = page_of(trace)
    for number, side in enumerate("cs"):
        track, file = embedded(page, number)
        assert track["side"] == side
        assert file[44:] == data
        assert track["audio"]["rate"] == 24_000
    server = page.data("tracks")[1]
    assert server["map"][0][:2] == [0.0, 5.0]
    assert server["map"][-2][1] < 5.4  # sent faster than it plays


def test_page_too_large_audio_is_mulaw_before_it_is_cut(tmp_path: Path) -> None:
    data = spoken(SECONDS, 16_000)
    trace = write(tmp_path / "a.wstrace", sent(data, "encoding=linear16&sample_rate=16000"))
    room = int(len(data) * 0.6 * 4 / 3)
    track, file = embedded(page_of(trace, max_audio=room))
    assert track["audio"]["form"] == "WAV, mu-law, 16000 Hz"
    assert track["note"] == ""
    assert len(file) < room * 3 / 4
    track, file = embedded(page_of(trace, max_audio=int(room * 0.6)))
    assert track["audio"]["form"] == "WAV, mu-law, 8000 Hz"
    assert track["note"] == ""


def test_page_audio_that_cannot_be_decoded_is_said(tmp_path: Path) -> None:
    records = [*opened("/v1/listen?encoding=speex"), audio(100, APP, b"\x93\x12\xfe" * 5000)]
    page = page_of(write(tmp_path / "a.wstrace", records))
    for track in page.data("tracks"):
        assert track["audio"] is not None or track["note"]
