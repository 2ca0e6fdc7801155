"""Sessions and evidence for the tests of the rules about audio."""

from __future__ import annotations

from audio_samples import (
    listen,
)
from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.rules.audio import RULES
from wsproxy.diagnose.session_facts import Measure, SessionFacts

LISTEN = ("deepgram", "listen", "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000")
NO_ENCODING = ("deepgram", "listen", "/v1/listen?model=nova-3")
STREAMING = ("assemblyai", "streaming", "/v3/ws?sample_rate=16000&encoding=pcm_s16le")


def cut(data: bytes, size: int = 3200) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def found(
    rule: Measure, facts: SessionFacts
) -> tuple[str, tuple[int, ...], float | None, str | None]:
    [evidence] = rule(facts)
    return evidence.text, tuple(evidence.frames), evidence.value, evidence.unit


def findings(facts: SessionFacts) -> dict[str, list[Evidence]]:
    return {rule.__name__: found for rule in RULES if (found := rule(facts))}


CLOSE = '{"type": "CloseStream"}'
MULAW8K = listen("encoding=mulaw&sample_rate=8000")
SONIOX = ("soniox", "stt", "/transcribe-websocket")
SPEECHMATICS = ("speechmatics", "rt", "/v2/en")
REVAI = "/speechtotext/v1/stream?content_type=audio/x-raw;layout=interleaved;rate=16000;format={}"
