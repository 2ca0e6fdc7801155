"""Every condition of the catalog: simulated, recorded, explained; a part of them replayed.

One recorder, and one simulated API for each condition; all sessions run side by side. Apps
ask for the API's real host name, which the recorder leads to the simulated one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import pytest

from conditions import LIMITS, Behaviour, Home, audio, good, home, is_plain, talk
from sweeps import values_that_run
from wsproxy.catalog import TRAFFIC, Condition, load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.session import Session
from wsproxy.simulate import Simulator

pytestmark = [pytest.mark.one_python, pytest.mark.xdist_group("conditions")]

CATALOG = load()
AT_ONCE = 24
T = TypeVar("T")


def speak(text: str) -> str:
    return json.dumps({"type": "Speak", "text": text})


# Where silence is not the point: on a busy machine a client may be silent for a while.
PATIENT = replace(LIMITS, silence=20.0, speak_silence=20.0)

# Clients that break the documented rule by themselves; the API is a well-behaved one.
BY_RULE = {
    "deepgram.listen.NET-0001": Behaviour(audio(0.5)),
    "deepgram.listen.DATA-0000": Behaviour(
        [b"<!DOCTYPE html><html><body>no audio</body></html>"], limits=PATIENT
    ),
    "deepgram.speak.MESSAGE-0000": Behaviour([bytes(320)], limits=PATIENT),
    "deepgram.speak.DATA-0000": Behaviour(['{"type": "Say", "text": "Hello"}'], limits=PATIENT),
    "deepgram.speak.DATA-0001": Behaviour([speak("word " * 300)] * 3, limits=PATIENT),
    "deepgram.speak.BIG-0001": Behaviour([speak("x" * 2001)], limits=PATIENT),
    "deepgram.speak.BIG-0000": Behaviour([speak("x" * 2_000_001)], limits=PATIENT),
    "deepgram.speak.NET-0001": Behaviour(),
    "deepgram.upgrade.INVALID_AUTH": Behaviour(headers={"Authorization": "Token invalid"}),
    "deepgram.upgrade.unknown-model": Behaviour(path="/v1/listen?model=no-such-model"),
    "deepgram.upgrade.language-not-code": Behaviour(
        path="/v1/listen?model=nova-3&language=english"
    ),
    "assemblyai.streaming.3007-chunk-duration": Behaviour(audio(0.5, chunk=0.02)),
    "assemblyai.streaming.3007-rate": Behaviour(audio(4.0), pace=0.1),
    "assemblyai.streaming.3006-message-type": Behaviour(['{"type": "Stop"}']),
    "assemblyai.streaming.3006-json": Behaviour(['{"type": "Terminate"']),
    "assemblyai.streaming.3006-message": Behaviour(["[]"]),
    "assemblyai.streaming.3006-inactivity": Behaviour(
        audio(0.3), path="/v3/ws?sample_rate=16000&inactivity_timeout=5"
    ),
    "assemblyai.streaming.3008-expired": Behaviour(audio(2.0), limits=replace(LIMITS, session=1.0)),
    "assemblyai.streaming.1008-authorization": Behaviour(headers={}),
    "deepgram.listen.flux-on-v1": Behaviour(path="/v1/listen?model=flux-general-en"),
    "deepgram.listen-v2.closed-after-CloseStream": replace(
        good(home(CATALOG.condition("listen-v2.closed-after-CloseStream"))), stalls=0.3
    ),
    "assemblyai.upgrade.410-deprecated": Behaviour(path="/v2/realtime/ws?sample_rate=16000"),
    "deepgram.speak.no-characters": Behaviour(body=b'{"text": " "}'),
    "deepgram.speak.characters-2000": Behaviour(body=b'{"text": "%s"}' % (b"x" * 2001)),
    "deepgram.speak.PAYLOAD_TOO_LARGE": Behaviour(body=b'{"text": "%s"}' % (b"x" * 2_000_000)),
    "deepgram.speak.UNSUPPORTED_MEDIA_TYPE": Behaviour(body=b"a=b", content_type="text/html"),
    "deepgram.speak.UTF-8": Behaviour(body=b"\xff\xfe", content_type="text/plain"),
    "deepgram.speak.text-or-url": Behaviour(body=b'{"text": "a", "url": "b"}'),
    "deepgram.speak.URL": Behaviour(body=b'{"url": "not a URL"}'),
    "deepgram.rest.INVALID_JSON-syntax": Behaviour(body=b'{"url": ', path="/v1/listen"),
    "deepgram.rest.INVALID_JSON-missing-field": Behaviour(body=b"{}", path="/v1/listen"),
    "deepgram.rest.corrupt-audio": Behaviour(
        body=b'{"url": "https://example.com/a.wav"}', path="/v1/listen", content_type="audio/wav"
    ),
    "deepgram.rest.UUID": Behaviour(body=b"{}", path="/v1/projects/my-project/keys"),
    "deepgram.rest.PROJECT_NOT_FOUND": Behaviour(
        body=b"{}", path="/v1/projects/00000000-0000-4000-8000-000000000000/keys"
    ),
}
# What a client has to ask for, so that the server's answer means this.
ASKED = {
    "openai.realtime.transcription-model-in-url": (
        "/v1/realtime?intent=transcription&model=gpt-4o-mini-transcribe"
    ),
    "aws_transcribe.upgrade.presigned-expiry": (
        "/stream-transcription-websocket?language-code=en-US&media-encoding=pcm"
        "&sample-rate=16000&X-Amz-Expires=900"
    ),
    "gemini.live.token-of-another-method": (
        "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"
        "?access_token=x"
    ),
    "elevenlabs.tts.model-without-websocket": (
        "/v1/text-to-speech/voice/stream-input?model_id=eleven_v3&output_format=pcm_16000"
    ),
}
# Not at the provider's own host.
ELSEWHERE = {
    "deepgram.upgrade.self-hosted-url": "deepgram.example",
    "azure_speech.upgrade.404-resource-host": "westeurope.api.cognitive.microsoft.com",
}

COMMANDED = [condition for condition in CATALOG.conditions if condition.simulated]


@dataclass(frozen=True)
class Case:
    """A condition, and who brings it about: the API on command, or the client's own doing."""

    condition: Condition
    by_rule: bool

    @cached_property
    def place(self) -> Home | None:
        return home(self.condition)

    @cached_property
    def behaviour(self) -> Behaviour:
        if self.by_rule:
            return BY_RULE[self.condition.id]
        usual = replace(good(self.place), path=ASKED.get(self.condition.id))
        if is_plain(self.condition):
            return replace(usual, body=b"{}")
        # Where the failure is a message only, the client continues and ends the session.
        return usual if self._ends else replace(usual, stalls=1.0)

    @property
    def _ends(self) -> bool:
        script = self.condition.simulate
        return script is not None and bool(script.close or script.refuse or script.end)

    @property
    def is_replayed(self) -> bool:
        """Those of plain HTTP are not, nor what a message alone shows; the rest of them."""
        plain = self.behaviour.body is not None
        known = self.condition.provider in ("deepgram", "assemblyai", "rfc6455")
        checked = self.place is None or self.place.api.dialogue is None
        return known and checked and not plain and (self.by_rule or self._ends)

    @property
    def has_a_good_api(self) -> bool:
        """Whether this client meets no failure where the API behaves, and there is one."""
        at_home = self.is_replayed and self.place is not None
        return at_home and not self.by_rule and self.condition.severity == "error"

    @property
    def api(self) -> Simulator:
        return Simulator(None if self.by_rule else self.condition, limits=self.behaviour.limits)

    async def talk(self, url: str, proxy: str | None = None) -> None:
        host = ELSEWHERE.get(self.condition.id)
        await talk(url, self.place, self.behaviour, proxy=proxy, case=str(self), host=host)

    def __str__(self) -> str:
        return f"{self.condition.id}{'-by-rule' if self.by_rule else ''}"


CASES = [Case(c, False) for c in COMMANDED] + [
    Case(CATALOG.condition(name), True) for name in BY_RULE
]


REPLAYED = [case for case in CASES if case.is_replayed]


def kind(case: Case) -> tuple[str, str, bool]:
    """Whose condition, how it shows, and who brings it about."""
    script = case.condition.simulate
    shown = [name for name in ("refuse", "close", "end", "message") if getattr(script, name, None)]
    return case.condition.provider, "".join(shown[:1]), case.by_rule


async def side_by_side(work: Iterable[Callable[[], Coroutine[object, object, T]]]) -> list[T]:
    """Run all of it, AT_ONCE at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(make: Callable[[], Awaitable[T]]) -> T:
        async with room:
            return await make()

    return list(await asyncio.gather(*(one(make) for make in work)))


def settings_to_localhost(folder: Path) -> ProxySettings:
    """A recorder that connects to this machine for every host, at the port that is asked for."""
    script = Path(__file__).parents[1] / "support" / "redirect_to_localhost.py"
    return ProxySettings(port=0, out=folder, confdir=folder / "ca", options=(f"scripts={script}",))


@pytest.fixture(scope="module")
def traces(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Case, Path]:
    """A recording of each case."""
    return recorded(values_that_run(request, "case"), tmp_path_factory.mktemp("conditions"))


def recorded(wanted: Sequence[Case], folder: Path) -> dict[Case, Path]:
    """Record cases side by side; those that leave no trace are missing."""

    async def record_one(case: Case, proxy: str) -> None:
        async with case.api as api:
            await case.talk(api.url, proxy)

    async def record_all(proxy: str) -> None:
        await side_by_side([partial(record_one, case, proxy) for case in wanted])

    with background(settings_to_localhost(folder)) as running:
        assert running.address is not None
        asyncio.run(record_all(f"http://127.0.0.1:{running.address[1]}"))
    cases = {str(case): case for case in wanted}
    made = sorted(folder.glob("*.wstrace"))
    return {cases[Session.read(path).request_header("X-Case") or ""]: path for path in made}


@dataclass(frozen=True)
class Replays:
    """Verdicts of replaying one case."""

    as_client: Verdict
    as_server: Verdict
    against_good: Verdict | None

    @property
    def as_expected(self) -> bool:
        behaved = self.against_good is None or self.against_good.verdict == "not-reproduced"
        return self.as_client.reproduced and self.as_server.reproduced and behaved


@pytest.fixture(scope="module")
def replays(
    request: pytest.FixtureRequest,
    traces: dict[Case, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Case, Replays]:
    """Each recording replayed from both sides, and against an API that behaves."""
    records = ReplayRecording(
        tmp_path_factory.mktemp("replays"), HeadRedactor(CATALOG.credentials, b"key")
    )

    async def as_client(path: Path, case: Case, api: Simulator, timeout: float) -> Verdict:
        # The trace holds no credential, so the bad one has to be given again.
        headers = tuple((case.behaviour.headers or {}).items())
        async with api:
            options = ClientOptions(api.url, headers=headers, timeout=timeout)
            return await replay_client(path, options, records)

    async def as_server(path: Path, case: Case) -> Verdict:
        async with ReplayServer(path, ServerOptions(timeout=30), records) as server:
            app = asyncio.create_task(case.talk(server.url))
            verdict = await server.verdict()
            await app
            return verdict

    async def all_of(path: Path, case: Case) -> Replays:
        good_one = None
        if case.has_a_good_api:
            good_one = await as_client(path, case, Simulator(), 0.5)
        return Replays(
            await as_client(path, case, case.api, 3), await as_server(path, case), good_one
        )

    def again(case: Case) -> Replays:
        """On a busy machine a condition that depends on time is missed, also while recording."""
        for number in range(5):
            path = traces[case]
            if number:
                path = recorded([case], tmp_path_factory.mktemp("again"))[case]
            if (result := asyncio.run(all_of(path, case))).as_expected:
                break
        return result

    cases = [case for case in values_that_run(request, "case") if case in traces]
    results = asyncio.run(side_by_side([partial(all_of, traces[case], case) for case in cases]))
    return {
        case: result if result.as_expected else again(case)
        for case, result in zip(cases, results, strict=True)
    }


def summary(verdict: Verdict) -> list[str]:
    """What a failed assertion should show."""
    return [f"{d.field}: {d.recorded!r} != {d.replayed!r}" for d in verdict.differences]


def explained(path: Path) -> list[Finding]:
    return diagnose(Session.read(path), CATALOG)


@pytest.mark.sweep(kind=kind)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_condition_explained_is_first_finding_with_figure(
    case: Case, traces: dict[Case, Path]
) -> None:
    findings = explained(traces[case])
    assert [f.id for f in findings][:1] == [case.condition.id]
    assert any(evidence.value is not None for evidence in findings[0].evidence)


@pytest.mark.sweep(kind=kind)
@pytest.mark.parametrize("case", REPLAYED, ids=str)
def test_condition_replayed_from_both_sides_is_reproduced(
    case: Case, replays: dict[Case, Replays]
) -> None:
    result = replays[case]
    for verdict in (result.as_client, result.as_server):
        assert (verdict.verdict, summary(verdict)) == ("reproduced", [])
        assert verdict.trace is not None
        assert verdict.trace.exists()


@pytest.mark.sweep(kind=kind)
@pytest.mark.parametrize("case", [c for c in CASES if c.has_a_good_api], ids=str)
def test_condition_replayed_against_good_api_is_not_reproduced(
    case: Case, replays: dict[Case, Replays]
) -> None:
    verdict = replays[case].against_good
    assert verdict is not None
    assert verdict.verdict == "not-reproduced", summary(verdict)
    assert verdict.differences


def test_conditions_all_have_a_case() -> None:
    """Those left out are no server's doing.

    test_record_failures brings those of the network about from the other side; what is measured in
    the traffic has sessions of its own in test_rules and test_rules_audio.
    """
    cases = {case.condition.id for case in CASES}
    left_out = [c for c in CATALOG.conditions if c.id not in cases]
    assert all(c.simulate is None for c in left_out)
    assert {c.provider for c in left_out} == {"rfc6455", TRAFFIC}


@pytest.mark.parametrize("case", [c for c in CASES if str(c) == "deepgram.speak.NET-0000"], ids=str)
def test_replay_client_not_reproduced_exits_1(
    case: Case, traces: dict[Case, Path], tmp_path: Path
) -> None:
    async def against_good() -> subprocess.CompletedProcess[str]:
        async with Simulator() as api:
            command = [sys.executable, "-m", "wsproxy", "replay", "client", str(traces[case])]
            command += ["--to", api.url, "--timeout", "1", "--json", "--out", str(tmp_path)]
            return await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=False
            )

    done = asyncio.run(against_good())
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"] == "not-reproduced"
