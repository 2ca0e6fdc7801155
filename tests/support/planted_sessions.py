"""Sessions of three minutes with faults in the audio, in each carrier that APIs use for it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from planted_audio import CHANGES, Samples, base_speech, contained, encoded, stereo
from provider_sessions import (
    append,
    aws_audio,
    azure_audio,
    azure_listening,
    b64,
    gemini_audio,
    gemini_ready,
    listening,
    realtime,
    scribe,
    scribe_audio,
    transcribe,
    wav_header,
)
from wire_session import Message, WireSession
from wsproxy.audio import report
from wsproxy.catalog import load
from wsproxy.diagnose import Evidence, Finding, diagnose
from wsproxy.session import Session

SLOT_S = 30  # seconds of the speech, each with one fault
SLOTS = 6
CHUNK_S = 0.1
CAPTURED = 4096  # samples of a chunk of Web Audio
TOLERANCE_S = 0.5
CATALOG = load()
FINDINGS = {
    report.DIGITAL_SILENCE: "traffic.signal.silent-part",
    report.NEAR_SILENCE: "traffic.signal.too-quiet",
    report.CLIPPING: "traffic.signal.clipped-part",
    report.DC_OFFSET: "traffic.signal.dc-offset",
    report.MISALIGNED: "traffic.signal.misaligned",
    report.STEREO_AS_MONO: "traffic.signal.stereo-as-mono",
    report.WRONG_RATE: "traffic.signal.wrong-rate",
    report.SECOND_HEADER: "traffic.signal.second-header",
}
TWO_SPEAKERS = "two speakers"
FINDINGS[TWO_SPEAKERS] = FINDINGS[report.STEREO_AS_MONO]
OTHER_SAMPLES = "traffic.signal.other-samples"


@dataclass(frozen=True)
class Carrier:
    """How an API takes audio.

    Attributes:
        begin: the session until its first audio.
        wrap: the message of a chunk.
        rate, encoding: of the samples that are declared.
    """

    begin: Callable[[], WireSession]
    wrap: Callable[[bytes], Message]
    rate: int = 16_000
    encoding: str = "linear16"


def _media(data: bytes) -> Message:
    return {"event": "media", "media": {"track": "inbound", "payload": b64(data)}}


def _twilio() -> WireSession:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    session = WireSession("wss://calls.example.com/media").accept()
    session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    start = {"streamSid": "MZ1", "tracks": ["inbound"], "mediaFormat": form}
    return session.app({"event": "start", "start": start})


MULAW_QUERY = "model=nova-2&encoding=mulaw&sample_rate=8000"
SAMPLES = {
    "binary": Carrier(listening, bytes),
    "OpenAI": Carrier(realtime, append, 24_000),
    "Gemini": Carrier(gemini_ready, gemini_audio),
    "ElevenLabs": Carrier(scribe, scribe_audio),
    "Azure": Carrier(azure_listening, azure_audio),
    "AWS": Carrier(transcribe, aws_audio),
}
COMPANDED = {
    "mu-law": Carrier(lambda: listening(MULAW_QUERY), bytes, 8000, "mulaw"),
    "Twilio": Carrier(_twilio, _media, 8000, "mulaw"),
}
UNDECLARED = Carrier(lambda: listening("model=nova-2"), bytes)


@dataclass
class Plant:
    """A fault in a session.

    Attributes:
        finding: the id of the finding that it has to be.
        from_s, to_s: when, in the session, or where in the audio the evidence has to be.
        required: whether it has to be found; else it may be.
    """

    finding: str
    from_s: float
    to_s: float
    required: bool = True

    def is_at(self, seconds: float) -> bool:
        return self.from_s - TOLERANCE_S <= seconds <= self.to_s + TOLERANCE_S


@dataclass
class PlantedSession:
    """A session with faults.

    Attributes:
        session: that is recorded.
        plants: the faults.
        by_position: whether places are positions in the audio, not times.
    """

    session: WireSession
    plants: list[Plant] = field(default_factory=list)
    by_position: bool = False

    def findings(self, folder: Path) -> list[Finding]:
        """What is found in the audio."""
        trace = self.session.write(folder / "session.wstrace")
        found = diagnose(Session.read(trace, catalog=CATALOG), CATALOG)
        return [f for f in found if f.id.startswith(("traffic.signal.", "traffic.audio."))]

    def check(self, folder: Path) -> None:
        """Assert that each fault is a finding at its place, and that there is no other one."""
        found = self.findings(folder)
        places = [(f.id, self._place(each)) for f in found for each in f.evidence]
        for plant in filter(lambda plant: plant.required, self.plants):
            assert any(name == plant.finding and plant.is_at(at) for name, at in places), (
                plant,
                [(f.id, [e.text for e in f.evidence]) for f in found],
            )
        extra = [
            (name, at)
            for name, at in places
            if not any(name == plant.finding and plant.is_at(at) for plant in self.plants)
        ]
        assert extra == []
        assert all(each.frames for f in found for each in f.evidence)

    def _place(self, evidence: Evidence) -> float:
        if not self.by_position:
            assert evidence.t_ns is not None
            return evidence.t_ns / 1e9
        match = re.search(r"at ([0-9.]+)", evidence.text)
        return float(match[1]) if match else 0.0


# -- samples

Converted = tuple[bytes, float]  # bytes, and the seconds until the next chunk


def _cut(data: bytes, seconds: float) -> list[Converted]:
    """Chunks of a source that captures in real time."""
    size = max(8, round(len(data) * CHUNK_S / seconds / 8) * 8)
    return [(data[at : at + size], CHUNK_S) for at in range(0, len(data), size)]


def _without_last_byte(chunks: list[Converted]) -> list[Converted]:
    data, seconds = chunks[-1]
    return [*chunks[:-1], (data[:-1], seconds)]


class SampleSession:
    """Builds a session whose audio is raw samples.

    Args:
        carrier: of the audio.
        seed: of the places of the faults.
        kinds: a fault for each slot of the speech.
    """

    def __init__(self, carrier: Carrier, seed: int, kinds: Sequence[str]) -> None:
        self._carrier = carrier
        self._dice = random.Random(seed)
        self.planted = PlantedSession(carrier.begin())
        for slot in range(SLOTS):
            begin = slot * SLOT_S * carrier.rate
            samples = base_speech(carrier.rate)[begin : begin + SLOT_S * carrier.rate]
            if slot < len(kinds):
                self._add_fault(kinds[slot], samples, slot)
            else:
                self._send(self._encoded(samples))

    def _encoded(self, samples: Samples) -> list[Converted]:
        data = encoded(samples, self._carrier.encoding)
        return _cut(data, len(samples) / self._carrier.rate) if data else []

    def _send(self, chunks: Sequence[Converted]) -> None:
        for data, seconds in chunks:
            self.planted.session.app(self._carrier.wrap(data), after=seconds)

    def _add_fault(self, kind: str, samples: Samples, slot: int) -> None:
        rate = self._carrier.rate
        length = 12.0 if kind in (report.NEAR_SILENCE, report.WRONG_RATE) else 5.0
        earliest = int(self._dice.uniform(5.0, 24.0 - length) * rate)
        # Where something is said: a fault in a pause is not heard before its end.
        start = earliest + int(np.flatnonzero(np.abs(samples[earliest:]) > 3000)[0])
        end = start + int(length * rate)
        before = self._encoded(samples[:start])
        fault, after = samples[start:end], self._encoded(samples[end:])
        if kind == report.MISALIGNED:
            before = _without_last_byte(before)
        self._send(before)
        self._plant(FINDINGS.get(kind, OTHER_SAMPLES))
        if kind == report.MISALIGNED:
            # What a container says of the odd sizes is not known.
            self._plant("traffic.audio.odd-bytes", required=False)
        self._send(self._wrong(kind, fault, slot * SLOT_S + start / rate))
        self._send(after)

    def _plant(self, finding: str, *, required: bool = True) -> None:
        at = self.planted.session.now
        self.planted.plants.append(Plant(finding, at, at + CHUNK_S, required))

    def _wrong(self, kind: str, fault: Samples, at: float) -> list[Converted]:
        rate, seconds = self._carrier.rate, len(fault) / self._carrier.rate
        if kind in CHANGES:
            return self._encoded(CHANGES[kind](fault))
        match kind:
            case report.MISALIGNED:
                return _without_last_byte(self._encoded(fault))
            case report.STEREO_AS_MONO:
                return _cut(stereo(fault, fault // 10 * 9), seconds)
            case "two speakers":
                other = base_speech(rate)[::-1][: len(fault)]
                return _cut(stereo(fault, other), seconds)
            case report.SECOND_HEADER:
                chunks = self._encoded(fault)
                return [(wav_header(rate) + chunks[0][0], CHUNK_S), *chunks[1:]]
            case report.WRONG_RATE:
                size = 2 * CAPTURED
                data = base_speech(48_000)[int(at * 48_000) :][: int(seconds * 48_000)].tobytes()
                whole = range(0, len(data) // size * size, size)
                return [(data[n : n + size], CAPTURED / 48_000) for n in whole]
        data = encoded(fault, kind)
        return _cut(data[: len(data) // 8 * 8], seconds)


@cache
def _container(container: str, begin_s: int, end_s: int) -> bytes:
    return contained(base_speech(16_000)[begin_s * 16_000 : end_s * 16_000], container)


def container_session(data: bytes, plants: Sequence[Plant], seconds: float = 180) -> PlantedSession:
    """A session whose audio is in a container, which says what its format is."""
    size = max(1, int(len(data) / seconds * CHUNK_S))
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    session = UNDECLARED.begin().stream(chunks, CHUNK_S, UNDECLARED.wrap)
    return PlantedSession(session, list(plants), by_position=True)
