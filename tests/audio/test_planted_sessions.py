"""A hundred faults in sessions of three minutes: each is a finding at its place, no other is."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from planted_audio import CHANGES, base_speech, contained
from planted_sessions import (
    COMPANDED,
    FINDINGS,
    SAMPLES,
    TWO_SPEAKERS,
    Carrier,
    Plant,
    SampleSession,
    container_session,
)
from wsproxy.audio import report

# As in test_planted_faults.py.
pytestmark = [pytest.mark.one_python, pytest.mark.xdist_group("planted_audio")]

LEVELS = (report.DIGITAL_SILENCE, report.NEAR_SILENCE, report.CLIPPING, report.DC_OFFSET)
OF_PCM = {
    "levels": (*LEVELS, report.SECOND_HEADER, TWO_SPEAKERS),
    "samples": ("float32", report.MISALIGNED, "mulaw", report.STEREO_AS_MONO, "pcm_s16be", "alaw"),
    "rate": (report.WRONG_RATE,),
}
OF_MULAW = {
    "levels": (*LEVELS, report.SECOND_HEADER),
    "samples": ("linear16", "alaw"),
}
CONTAINERS = ("WebM", "Ogg/Opus", "MP3")
CASES = [
    *((name, c, group, k) for name, c in SAMPLES.items() for group, k in OF_PCM.items()),
    *((name, c, group, k) for name, c in COMPANDED.items() for group, k in OF_MULAW.items()),
]


# Each carrier with one group of faults, each group in some carriers.
@pytest.mark.sweep(keep=4)
@pytest.mark.parametrize(
    ("name", "carrier", "group", "kinds"),
    CASES,
    ids=[f"{case[0]}-{case[2]}" for case in CASES],
)
def test_explain_finds_faults_in_samples_at_their_places(
    name: str, carrier: Carrier, group: str, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    SampleSession(carrier, len(name) + len(group), kinds).planted.check(tmp_path)


@pytest.mark.sweep(keep=4)
@pytest.mark.parametrize("name", [*SAMPLES, *COMPANDED])
def test_explain_finds_no_fault_in_the_same_samples(name: str, tmp_path: Path) -> None:
    carrier = (SAMPLES | COMPANDED)[name]
    assert SampleSession(carrier, 1, ()).planted.findings(tmp_path) == []


@pytest.mark.sweep
@pytest.mark.parametrize("container", CONTAINERS)
def test_explain_finds_faults_in_containers_at_their_places(container: str, tmp_path: Path) -> None:
    samples, plants = base_speech(16_000).copy(), []
    dice = random.Random(len(container))
    kinds = [report.DIGITAL_SILENCE, report.NEAR_SILENCE, report.CLIPPING]
    if container == "MP3":  # Opus removes an offset
        kinds.append(report.DC_OFFSET)
    for number, kind in enumerate(kinds):
        start = int((number * 45 + dice.uniform(5, 25)) * 16_000)
        start += int(np.flatnonzero(np.abs(samples[start:]) > 3000)[0])
        part = slice(start, start + 12 * 16_000)
        samples[part] = CHANGES[kind](samples[part])
        plants.append(Plant(FINDINGS[kind], start / 16_000, start / 16_000))
    container_session(contained(samples, container), plants).check(tmp_path)


@pytest.mark.parametrize("container", ["WebM", "Ogg/Opus", "WAV"])
def test_explain_finds_second_header_in_container_at_its_place(
    container: str, tmp_path: Path
) -> None:
    at = random.Random(len(container)).randrange(10, 50)
    parts = base_speech(16_000)[: at * 16_000], base_speech(16_000)[at * 16_000 : 60 * 16_000]
    data = b"".join(contained(part, container) for part in parts)
    plant = Plant(FINDINGS[report.SECOND_HEADER], at, at)
    container_session(data, [plant], 60).check(tmp_path)


@pytest.mark.parametrize("container", ["WebM", "Ogg/Opus"])
def test_explain_finds_missing_header_of_container(container: str, tmp_path: Path) -> None:
    data = contained(base_speech(16_000)[: 60 * 16_000], container)
    plant = Plant("traffic.audio.container-header-missing", 0, 0)
    container_session(data[len(data) // 3 :], [plant], 40).check(tmp_path)


@pytest.mark.parametrize(("offset", "value"), [(32, 4), (28, 64)])
def test_explain_finds_wrong_fields_of_wav_header(offset: int, value: int, tmp_path: Path) -> None:
    data = bytearray(contained(base_speech(16_000)[: 30 * 16_000], "WAV"))
    data[offset] = value
    plant = Plant("traffic.signal.wav-header", 0, 0)
    container_session(bytes(data), [plant], 30).check(tmp_path)


@pytest.mark.sweep
@pytest.mark.parametrize("container", CONTAINERS)
def test_explain_finds_no_fault_in_the_same_containers(container: str, tmp_path: Path) -> None:
    session = container_session(contained(base_speech(16_000), container), ())
    assert session.findings(tmp_path) == []
