"""The real SDKs hold a good session with the dialogues of the simulated APIs.

The client programs are tests/sdk/dialogues.py and dialogues.cjs: one process for each language
holds the sessions of all its SDKs, through a recorder. Their packages are installed on first use,
as those of test_sdks.py are.
"""

from __future__ import annotations

import json
import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import client_packages
from client_packages import HERE
from sweeps import values_that_run
from test_sdks import finished
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.proxy import embedding
from wsproxy.session import Session
from wsproxy.simulate import dialogue_api, serve_in_thread

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.one_python,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("sdk-dialogues"),
    pytest.mark.flaky(reruns=1, only_rerun="Hung"),
]

HEARING = {
    "python": [
        "openai_realtime",
        "elevenlabs_agent",
        "hume_evi",
        "gladia_live",
        "speechmatics_rt",
        "soniox_stt",
        "gemini_live",
        "azure_stt",
        "mistral_realtime",
        "sarvam_stt",
    ],
    "node": [
        "deepgram",
        "assemblyai",
        "openai",
        "gemini",
        "elevenlabs_agent",
        "elevenlabs_stt",
        "hume",
        "soniox",
        "gladia",
        "speechmatics",
        "azure_stt",
    ],
}
SPEAKING = {
    "python": [
        "openai_realtime",
        "elevenlabs_agent",
        "elevenlabs_tts",
        "cartesia_tts",
        "hume_evi",
        "gemini_live",
        "azure_tts",
        "sarvam_tts",
    ],
    "node": ["openai", "gemini", "elevenlabs_agent", "cartesia", "hume", "azure_tts"],
}
# These join the words without spaces: the program gets them from the SDK one by one.
SPELLING = {"python": ["revai_stream"], "node": ["revai"]}
LANGUAGES = list(HEARING)
EACH = {
    language: [*dict.fromkeys(HEARING[language] + SPEAKING[language] + SPELLING[language])]
    for language in LANGUAGES
}


def places(names: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, name) for language, each in names.items() for name in each]


def language_of(report: tuple[str, str]) -> str:
    return report[0]


@dataclass
class Held:
    """The sessions of one language.

    Attributes:
        programs: how many programs ran.
        reports: by the names of the programs: what each SDK reported.
        sessions: what was recorded.
    """

    programs: int = 0
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)


def command(language: str) -> tuple[list[str], dict[str, str]]:
    """The command of the program, and its environment."""
    if language == "python":
        return [client_packages.python_sdks(), str(HERE / "dialogues.py")], dict(os.environ)
    folder = client_packages.node_sdks()
    environment = dict(os.environ, NODE_PATH=str(folder))
    return [str(folder / "node" / "bin" / "node"), str(HERE / "dialogues.cjs")], environment


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of speech, and a pause."""
    path = tmp_path_factory.mktemp("audio") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(speech(4.0) + bytes(32_000))
    return path


@contextmanager
def recorder(folder: Path) -> Iterator[tuple[str, embedding.RunningProxy]]:
    """A recorder before the simulated APIs: (its URL, the recorder).

    It keeps the Host header: Gladia answers with a URL of the host that it was asked at.
    """
    # On a busy machine an SDK pauses in the middle of its audio, which is no end of a turn.
    with patch.object(dialogue_api, "_AUDIO_IDLE", 3.0), serve_in_thread() as api:
        settings = embedding.ProxySettings(
            port=0,
            out=folder / "out",
            confdir=folder / "ca",
            mode=f"reverse:{api.url}",
            options=("keep_host_header=true",),
        )
        with embedding.background(settings) as running:
            assert running.address is not None
            yield f"ws://127.0.0.1:{running.address[1]}", running


@pytest.fixture(scope="module")
def held(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, recording: Path
) -> dict[str, Held]:
    """The sessions of each language, held when they are needed, by the SDKs of tests that run."""
    running = set(values_that_run(request, "report")) or set(places(EACH))
    names = {
        language: [name for name in each if (language, name) in running]
        for language, each in EACH.items()
    }
    return _Lazily(tmp_path_factory.mktemp("dialogues"), recording, names)


class _Lazily(dict[str, Held]):
    """Holds the sessions of a language on the first access."""

    def __init__(self, folder: Path, recording: Path, names: dict[str, list[str]]) -> None:
        super().__init__()
        self._folder, self._recording, self._names = folder, recording, names

    def __missing__(self, language: str) -> Held:
        program, environment = command(language)
        folder = self._folder / language
        with recorder(folder) as (url, running):
            # Node trusts the recorder: two of its SDKs connect with TLS alone.
            environment["NODE_EXTRA_CA_CERTS"] = str(folder / "ca" / "mitmproxy-ca-cert.pem")
            arguments = [url, str(self._recording), *self._names[language]]
            lines = finished([*program, *arguments], environment).splitlines()
            running.drain(5.0)
        found = self[language] = Held()
        found.programs = len(self._names[language])
        reports = [json.loads(line) for line in lines if line.startswith('{"name"')]
        found.reports = {report["name"]: report for report in reports}
        traces = sorted((folder / "out").glob("*.wstrace"))
        found.sessions = [Session.read(trace, catalog=load()) for trace in traces]
        return found


@pytest.fixture
def report(request: pytest.FixtureRequest, held: dict[str, Held]) -> dict[str, Any]:
    """What an SDK reported of its session; each holds one."""
    language, name = request.param
    found = held[language].reports[name]
    assert "failed" not in found, found["failed"]
    return found


@pytest.mark.sweep(kind=language_of, keep=2)
@pytest.mark.parametrize("report", places(HEARING), indirect=True)
def test_sdk_reports_words_of_a_turn_for_speech(report: dict[str, Any]) -> None:
    # A turn ends at a pause, so one has two words at least; how many turns an SDK waits for depends
    # on when its audio arrives.
    assert len(report["transcript"].split()) >= 2, report


@pytest.mark.parametrize("report", places(SPELLING), indirect=True)
def test_sdk_reports_words_for_speech(report: dict[str, Any]) -> None:
    assert len(report["transcript"]) >= 12, report


@pytest.mark.sweep(kind=language_of, keep=2)
@pytest.mark.parametrize("report", places(SPEAKING), indirect=True)
def test_sdk_receives_audio(report: dict[str, Any]) -> None:
    assert report["spoken"] > 16_000, report  # bytes


@pytest.mark.parametrize(
    "report", [("python", "openai_realtime"), ("node", "openai")], indirect=True
)
def test_sdk_openai_reads_session_created_before_it_sends(report: dict[str, Any]) -> None:
    events = report["events"]
    assert events[0] == "session.created"
    assert events.index("response.created") < events.index("response.output_audio.delta")


@pytest.mark.parametrize("report", [("python", "cartesia_tts")], indirect=True)
def test_sdk_cartesia_gets_its_context_to_the_end(report: dict[str, Any]) -> None:
    assert (report["contexts"], report["events"][-1]) == (1, "done")


@pytest.mark.parametrize("report", [("node", "cartesia")], indirect=True)
def test_sdk_cartesia_gets_two_contexts_to_the_end(report: dict[str, Any]) -> None:
    assert report["contexts"] == ["done", "done"]


@pytest.mark.parametrize("report", [("python", "azure_stt"), ("node", "azure_stt")], indirect=True)
def test_sdk_azure_gets_hypotheses_before_the_phrase(report: dict[str, Any]) -> None:
    assert report["hypotheses"] > 0


@pytest.mark.parametrize("report", [("python", "mistral_realtime")], indirect=True)
def test_sdk_mistral_knows_each_event(report: dict[str, Any]) -> None:
    assert report["events"][:2] == ["session.created", "session.updated"]
    assert report["events"][-1] == "transcription.done"


@pytest.mark.parametrize("report", [("python", "sarvam_stt")], indirect=True)
def test_sdk_sarvam_gets_the_signals_that_it_asked_for(report: dict[str, Any]) -> None:
    assert report["events"][:2] == ["START_SPEECH", "END_SPEECH"]


# -- what wsproxy says about these sessions


@pytest.mark.parametrize("language", LANGUAGES)
def test_sdk_good_sessions_have_no_warning(language: str, held: dict[str, Held]) -> None:
    sessions = held[language].sessions
    assert len(sessions) == held[language].programs
    problems = [
        (session.provider, session.api, finding.id, finding.evidence)
        for session in sessions
        for finding in diagnose(session, load())
        if finding.is_problem  # a notice may be: a program does not play what it gets
    ]
    assert problems == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_sdk_good_sessions_succeeded(language: str, held: dict[str, Held]) -> None:
    # Some providers cannot be recognized at 127.0.0.1; what is unknown there has no proof.
    known = [session for session in held[language].sessions if session.provider]
    assert len({session.provider for session in known}) >= held[language].programs * 0.6
    outcomes = [(s.provider, s.api, outcome(s, diagnose(s, load()))) for s in known]
    kinds = [(provider, api, found and found.kind) for provider, api, found in outcomes]
    assert [kind for kind in kinds if kind[2] != "succeeded"] == []


@pytest.mark.parametrize(
    ("report", "provider"),
    [(("node", "gemini"), "gemini"), (("node", "elevenlabs_agent"), "elevenlabs")],
    indirect=["report"],
)
def test_sdk_close_without_a_code_after_the_last_words_is_info(
    held: dict[str, Held], report: dict[str, Any], provider: str
) -> None:
    """Google's and ElevenLabs' SDKs for Node close without a code."""
    closed = [
        {finding.severity for finding in diagnose(session, load())}
        for session in held["node"].sessions
        if session.provider == provider and session.close is not None and session.close.code is None
    ]
    assert closed
    assert all(severities == {"info"} for severities in closed)
