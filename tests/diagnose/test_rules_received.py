"""The server's audio, against the format that the session agreed on."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from audio_samples import CATALOG, PCM, PCM8K, facts_of, mulaw
from wsproxy.diagnose.rules import received
from wsproxy.diagnose.rules.repetition import received_twice
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

REALTIME = ("openai", "realtime", "/v1/realtime?model=gpt-realtime")
ULAW = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
PCM16 = {"input_audio_format": "pcm16", "output_audio_format": "pcm16"}


def agreed(session: dict[str, str], audio: bytes) -> SessionFacts:
    """The app asks for a format; the server answers with this audio."""
    update = json.dumps({"type": "session.update", "session": session})
    delta = {"type": "response.audio.delta", "delta": base64.b64encode(audio).decode()}
    return facts_of(REALTIME, [update], [json.dumps(delta)])


@pytest.mark.parametrize(
    "session, audio, found",
    [(ULAW, PCM, "16-bit PCM; agreed: mulaw"), (PCM16, mulaw(PCM8K), "mu-law; agreed: pcm")],
)
def test_received_other_samples_is_found_with_the_agreed_format(
    session: dict[str, str], audio: bytes, found: str
) -> None:
    [evidence] = received.received_other_samples(agreed(session, audio))
    assert found in evidence.text
    assert evidence.frames == (2,)


@pytest.mark.parametrize("session, audio", [(ULAW, mulaw(PCM8K)), (PCM16, PCM), ({}, mulaw(PCM8K))])
def test_received_other_samples_agreed_audio_has_no_evidence(
    session: dict[str, str], audio: bytes
) -> None:
    assert received.received_other_samples(agreed(session, audio)) == []


NOISE = random.Random(5).randbytes(60_000)


@pytest.mark.parametrize(
    "session, audio",
    [(ULAW, NOISE), (PCM16, NOISE), ({}, bytes(4_000) + NOISE)],
    ids=["mu-law", "PCM", "after a pause"],
)
def test_received_noise_is_found_in_audio_without_any_voice(
    session: dict[str, str], audio: bytes
) -> None:
    [evidence] = received.received_noise(agreed(session, audio))
    assert "of the server's audible audio is noise" in evidence.text
    assert evidence.frames == (2,)


@pytest.mark.parametrize(
    "session, audio",
    [
        (ULAW, mulaw(PCM8K)),
        (PCM16, PCM),
        (PCM16, PCM + NOISE[:6_000]),
        (PCM16, NOISE[:40_000]),
        (PCM16, bytes(60_000)),
    ],
    ids=["mu-law", "PCM", "a sound", "short", "silence"],
)
def test_received_noise_a_voice_or_silence_has_no_evidence(
    session: dict[str, str], audio: bytes
) -> None:
    assert received.received_noise(agreed(session, audio)) == []


def test_received_noise_a_copy_without_personal_data_has_no_evidence() -> None:
    facts = agreed(PCM16, NOISE)
    assert facts.session.start is not None
    facts.session.start = replace(facts.session.start, mode="scrub")
    assert received.received_noise(facts) == []


@pytest.mark.parametrize("audio", [bytes(200_000), b"\1\0\0\0" * 50_000], ids=["zero", "faint"])
def test_received_silent_is_found(audio: bytes) -> None:
    [evidence] = received.received_silent(agreed(PCM16, audio))
    assert "s of the server's audio are silence" in evidence.text


@pytest.mark.parametrize("audio", [PCM + bytes(200_000), bytes(40_000)], ids=["voice", "short"])
def test_received_silent_a_voice_or_little_audio_has_no_evidence(audio: bytes) -> None:
    assert received.received_silent(agreed(PCM16, audio)) == []


def test_received_rules_each_have_a_condition() -> None:
    conditions = [c for c in CATALOG.conditions if c.id.startswith("traffic.received.")]
    causes = {received.received_at_lower_rate}  # of audio that comes too slowly
    rules = [rule.__name__ for rule in received.RULES if rule not in causes]
    assert [c.matches[0].rule for c in conditions] == rules


def played(every: float, *, pause_at: int = -1) -> SessionFacts:
    """Four seconds of an agent's audio, in pieces of 20 ms."""
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider="openai", api="realtime"))
    session.add(Request(1, "GET", "wss", "h", 443, REALTIME[2]))
    session.add(Response(2, 101))
    now = 1.0
    for number in range(200):
        now += every + (1.0 if number == pause_at else 0.0)
        piece = base64.b64encode(PCM[:960]).decode()
        delta = json.dumps({"type": "response.output_audio.delta", "delta": piece}).encode()
        session.add(FrameRecord(int(now * 1e9), False, 1, delta, wire_length=len(delta) + 4))
    return SessionFacts(session, CATALOG)


def test_received_too_slowly_names_the_pace() -> None:
    [evidence] = received.received_too_slowly(played(0.026))
    assert "4.0 s of the server's audio came in 5.2 s without a pause" in evidence.text
    assert evidence.value == 0.77


@pytest.mark.parametrize(
    "facts",
    [lambda: played(0.021), lambda: played(0.02, pause_at=100), lambda: played(0.001)],
    ids=["in time", "a pause between turns", "at once"],
)
def test_received_too_slowly_audio_in_time_has_no_evidence(
    facts: Callable[[], SessionFacts],
) -> None:
    assert received.received_too_slowly(facts()) == []


def spoken(chunks: list[bytes]) -> SessionFacts:
    delta = [
        {"type": "response.audio.delta", "delta": base64.b64encode(c).decode()} for c in chunks
    ]
    return facts_of(
        REALTIME, [json.dumps({"type": "response.create"})], list(map(json.dumps, delta))
    )


VOICE = [PCM[at : at + 3200] for at in range(0, 32_000, 3200)]


def test_received_twice_is_found_with_its_figures() -> None:
    [evidence] = received_twice(spoken([chunk for chunk in VOICE for _ in range(2)]))
    assert evidence.text.startswith("the same 3200 bytes of audio are sent twice (9 of 17")


@pytest.mark.parametrize(
    "chunks",
    [VOICE, VOICE[:1] * 12, VOICE[:1] * 5 + VOICE[1:2] * 5, [bytes(3200)] * 12],
    ids=["a voice", "one sound", "two sounds", "silence"],
)
def test_received_twice_a_voice_or_a_stored_sound_has_no_evidence(chunks: list[bytes]) -> None:
    assert received_twice(spoken(chunks)) == []
