"""The real SDKs hold a good session with the dialogues of the simulated APIs.

The client programs are in tests/sdk/dialogues.py. Their packages are installed on first use, as
those of test_sdks.py are.
"""

from __future__ import annotations

import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from test_sdks import HERE, finished, install
from wsproxy.audio.synthetic_speech import speech
from wsproxy.simulate import serve_in_thread

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.sdk,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("sdk-dialogues"),
    pytest.mark.flaky(reruns=1, only_rerun="Hung"),
]

HEARING = [
    "openai_realtime",
    "elevenlabs_agent",
    "hume_evi",
    "gladia_live",
    "speechmatics_rt",
    "soniox_stt",
    "gemini_live",
    "azure_stt",
]
SPEAKING = [
    "openai_realtime",
    "elevenlabs_agent",
    "elevenlabs_tts",
    "cartesia_tts",
    "hume_evi",
    "gemini_live",
    "azure_tts",
]


@pytest.fixture(scope="session")
def python() -> str:
    """The interpreter of a virtual environment with the SDKs."""
    name = f"dialogues{sys.version_info.major}.{sys.version_info.minor}"
    binaries = "Scripts" if sys.platform == "win32" else "bin"
    path = f"{{folder}}/venv/{binaries}/python"
    listing = HERE / "dialogues-requirements.txt"
    folder = install(
        name,
        listing,
        [sys.executable, "-m", "venv", "--clear", "{folder}/venv"],
        [path, "-m", "pip", "install", "--quiet", "-r", listing.name],
    )
    return path.format(folder=folder)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of speech, and a pause."""
    path = tmp_path_factory.mktemp("audio") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(speech(4.0) + bytes(32_000))
    return path


@pytest.fixture(scope="session")
def reports(python: str, recording: Path) -> dict[str, dict[str, Any]]:
    return {}


@pytest.fixture
def report(
    request: pytest.FixtureRequest,
    python: str,
    recording: Path,
    reports: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """What an SDK reported of its session; each holds one."""
    name = request.param
    if name not in reports:
        with serve_in_thread() as api:
            program = [python, str(HERE / "dialogues.py"), name, api.url, str(recording)]
            lines = finished(program, dict(os.environ)).strip().splitlines()
            reports[name] = json.loads(lines[-1])
    return reports[name]


@pytest.mark.parametrize("report", HEARING, indirect=True)
def test_sdk_reports_a_sentence_for_speech(report: dict[str, Any]) -> None:
    assert len(report["transcript"].split()) >= 3, report  # of a sentence


@pytest.mark.parametrize("report", SPEAKING, indirect=True)
def test_sdk_receives_audio(report: dict[str, Any]) -> None:
    assert report["spoken"] > 16_000, report  # bytes


@pytest.mark.parametrize("report", ["openai_realtime"], indirect=True)
def test_sdk_openai_reads_session_created_before_it_sends(report: dict[str, Any]) -> None:
    events = report["events"]
    assert events[0] == "session.created"
    assert events.index("response.created") < events.index("response.output_audio.delta")


@pytest.mark.parametrize("report", ["cartesia_tts"], indirect=True)
def test_sdk_cartesia_gets_its_context_to_the_end(report: dict[str, Any]) -> None:
    assert (report["contexts"], report["events"][-1]) == (1, "done")
