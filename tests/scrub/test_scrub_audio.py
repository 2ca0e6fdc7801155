"""Audio written as text becomes noise of the same level and in the same form."""

from __future__ import annotations

import base64
import json
import math
import random
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import wsproxy.scrub.texts
from sessions import APP, audio, opened, text_message, write
from traces import read_trace
from wsproxy.errors import NotPublic
from wsproxy.scrub import scrub
from wsproxy.scrub.text_encodings import decode_base64, replace_encoded, replace_numbers
from wsproxy.trace import FrameRecord

pytestmark = pytest.mark.one_python

CHUNK = 800  # samples of a message
CHANCE = random.Random(5)


def voice(seconds: float) -> list[int]:
    """Speech-like audio: a swept tone with a changing level and noise."""
    count = int(seconds * 16_000)
    return [
        int(9000 * math.sin(n * (0.05 + n / count / 9)) * math.sin(n / 2500) + CHANCE.gauss(0, 40))
        for n in range(count)
    ]


VOICE = voice(0.5)
CHUNKS = [VOICE[at : at + CHUNK] for at in range(0, len(VOICE), CHUNK)]


def pcm(samples: list[int]) -> bytes:
    return array("h", samples).tobytes()


def samples(data: bytes) -> list[int]:
    return list(array("h", data[: len(data) // 2 * 2]))


def code(chunk: list[int]) -> str:
    return base64.b64encode(pcm(chunk)).decode()


def wrapped(text: str) -> str:
    return "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def unpacked(text: str) -> list[int]:
    """Samples of base64 in any form."""
    bare = re.sub(r"[\s=]", "", text).translate(str.maketrans("-_", "+/"))
    return samples(base64.b64decode(bare[: len(bare) // 4 * 4]))


@dataclass
class Carrier:
    """How a message carries samples, and how to read them from it."""

    put: Callable[[list[int]], Any]
    take: Callable[[str], list[int]]


def in_json(make: Callable[[list[int]], Any], read: Callable[[Any], list[int]]) -> Carrier:
    return Carrier(
        lambda chunk: json.dumps({"type": "a", "data": make(chunk)}),
        lambda text: read(json.loads(text)["data"]),
    )


CARRIERS = {
    "base64": in_json(code, unpacked),
    "base64, no padding": in_json(lambda c: code(c[:-1]).rstrip("="), unpacked),
    "base64, url-safe": in_json(
        lambda c: base64.urlsafe_b64encode(pcm(c)).decode().rstrip("="), unpacked
    ),
    "base64, MIME": in_json(lambda c: wrapped(code(c)), unpacked),
    "data: URL": in_json(
        lambda c: "data:audio/pcm;rate=16000;base64," + code(c), lambda v: unpacked(v.split(",")[1])
    ),
    "hexadecimal": in_json(lambda c: pcm(c).hex(), lambda v: samples(bytes.fromhex(v))),
    "JSON in JSON": in_json(
        lambda c: json.dumps({"a": json.dumps({"b": code(c)})}),
        lambda v: unpacked(json.loads(json.loads(v)["a"])["b"]),
    ),
    "integers": in_json(lambda c: c, lambda v: v),
    "integers, indented": Carrier(
        lambda c: json.dumps({"data": c}, indent=1), lambda text: json.loads(text)["data"]
    ),
    "floats": in_json(
        lambda c: [round(x / 32768, 6) for x in c], lambda v: [int(x * 32768) for x in v]
    ),
    "floats with exponents": in_json(
        lambda c: [float(f"{x / 3e9:.3e}") for x in c], lambda v: [int(x * 3e9) for x in v]
    ),
    "pairs of integers": in_json(
        lambda c: list(zip(c[::2], c[1::2], strict=True)), lambda v: [x for pair in v for x in pair]
    ),
    "a typed array": in_json(
        lambda c: {str(n): x for n, x in enumerate(c)}, lambda v: list(v.values())
    ),
    "a Buffer of Node": in_json(
        lambda c: {"type": "Buffer", "data": list(pcm(c))},
        lambda v: samples(bytes(next(x for x in v.values() if isinstance(x, list)))),
    ),
    "numbers in a text": in_json(lambda c: json.dumps(c), lambda v: json.loads(v)),
    "base64 alone": Carrier(code, unpacked),
    "base64 alone, MIME": Carrier(lambda c: wrapped(code(c)), unpacked),
    "a data: URL alone": Carrier(
        lambda c: "data:audio/wav;base64," + code(c), lambda t: unpacked(t.split(",")[1])
    ),
    "a list alone": Carrier(json.dumps, json.loads),
    "numbers with commas": Carrier(
        lambda c: ",".join(map(str, c)), lambda t: list(map(int, t.split(",")))
    ),
}


# Unscrubbed, the check finds these as words and numbers, not as audio.
INDIRECT = {
    "hexadecimal, spaced": in_json(lambda c: pcm(c).hex(" "), lambda v: samples(bytes.fromhex(v))),
    "base64 of base64": in_json(
        lambda c: base64.b64encode(code(c).encode()).decode(),
        lambda v: unpacked(base64.b64decode(v).decode()),
    ),
    "base64 of a list": in_json(
        lambda c: base64.b64encode(json.dumps(c).encode()).decode(),
        lambda v: json.loads(base64.b64decode(v)),
    ),
}


def correlation(one: list[int], two: list[int]) -> float:
    power = math.sqrt(sum(x * x for x in one) * sum(x * x for x in two))
    return sum(x * y for x, y in zip(one, two, strict=True)) / power


def agreement(one: list[int], two: list[int]) -> float:
    loud = [x * y for x, y in zip(one, two, strict=True) if x and y]
    return sum(x > 0 for x in loud) / len(loud)


def level(found: list[int]) -> float:
    return sum(map(abs, found)) / len(found)


def texts(path: Path) -> list[str]:
    return [r.payload.decode() for r in read_trace(path)[0] if isinstance(r, FrameRecord)]


def session(carrier: Carrier, path: Path, *, provider: str | None = None) -> Path:
    messages = [text_message(50 + n, APP, carrier.put(chunk)) for n, chunk in enumerate(CHUNKS)]
    api = "listen" if provider else None
    return write(path, [*opened("/v1/listen"), *messages], provider=provider, api=api)


@pytest.mark.sweep(keep=10)
@pytest.mark.parametrize("name", [*CARRIERS, *INDIRECT])
def test_scrub_audio_in_a_text_becomes_noise_in_the_same_form(name: str, tmp_path: Path) -> None:
    carrier = (CARRIERS | INDIRECT)[name]
    trace = session(carrier, tmp_path / "a.wstrace")
    made = texts(scrub(trace, tmp_path / "b.wstrace").path)
    was = texts(trace)
    assert [len(text) for text in made] == [len(text) for text in was]
    before = [x for text in was for x in carrier.take(text)]
    after = [x for text in made for x in carrier.take(_renamed(text, name))]
    assert abs(correlation(before, after)) < 0.1
    assert 0.45 < agreement(before, after) < 0.55
    assert 0.6 < level(after) / level(before) < 1.6
    loud = [[level(x[at : at + CHUNK]) for at in range(0, len(x), CHUNK)] for x in (before, after)]
    assert correlation(*[[int(x) for x in each] for each in loud]) > 0.9, "the envelope stays"


def test_scrub_binary_string_of_javascript_is_refused(tmp_path: Path) -> None:
    carrier = in_json(lambda c: pcm(c).decode("latin-1"), lambda v: samples(v.encode("latin-1")))
    trace = session(carrier, tmp_path / "a.wstrace")
    with pytest.raises(NotPublic, match="audio similar to"):
        scrub(trace, tmp_path / "b.wstrace")


def test_scrub_samples_in_fields_of_their_own_lose_their_signs(tmp_path: Path) -> None:
    carrier = in_json(
        lambda c: [{"v": x} for x in c], lambda v: [int(x) for each in v for x in each.values()]
    )
    trace = session(carrier, tmp_path / "a.wstrace")
    made = texts(scrub(trace, tmp_path / "b.wstrace").path)
    before = [x for text in texts(trace) for x in carrier.take(text)]
    after = [x for text in made for x in carrier.take(_renamed(text, ""))]
    assert 0.45 < agreement(before, after) < 0.55


def _renamed(text: str, name: str) -> str:
    """A message with its original, undocumented field names."""
    if name != "JSON in JSON":
        return text
    value = json.loads(text)
    outer = json.loads(value["data"])
    (inner,) = outer.values()
    (last,) = json.loads(inner).values()
    return json.dumps({"data": json.dumps({"a": json.dumps({"b": last})})})


@pytest.mark.sweep(keep=10)
@pytest.mark.parametrize("name", CARRIERS)
def test_leak_check_unscrubbed_audio_in_a_text_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = session(CARRIERS[name], tmp_path / "a.wstrace")
    monkeypatch.setattr(wsproxy.scrub.texts, "replace_encoded", lambda text, _change: text)
    monkeypatch.setattr(wsproxy.scrub.texts, "replace_numbers", lambda text, *_: text)
    with pytest.raises(NotPublic, match="audio"):
        scrub(trace, tmp_path / "b.wstrace")


def test_leak_check_audio_replaced_letter_by_letter_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replacing base64 by characters of the same class keeps a similar waveform."""
    trace = session(CARRIERS["base64 alone"], tmp_path / "a.wstrace")
    monkeypatch.setattr(wsproxy.scrub.texts, "RUN", re.compile("(?!)"))
    with pytest.raises(NotPublic, match="audio similar to the original's"):
        scrub(trace, tmp_path / "b.wstrace")


def test_leak_check_binary_audio_with_original_signs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def louder(_self: object, data: bytes) -> bytes:
        return pcm([x * CHANCE.randint(40, 99) // 100 for x in samples(data)])

    records = [*opened("/v1/listen"), *(audio(50 + n, APP, pcm(c)) for n, c in enumerate(CHUNKS))]
    trace = write(tmp_path / "a.wstrace", records)
    monkeypatch.setattr("wsproxy.scrub.traffic.Noise.replace", louder)
    with pytest.raises(NotPublic, match="audio similar to"):
        scrub(trace, tmp_path / "b.wstrace")


@pytest.mark.parametrize(
    "text", ["A" * 2560, json.dumps({"type": "audio", "audio": "A" * 2560})], ids=["alone", "json"]
)
def test_scrub_silence_in_base64_is_accepted_and_stays(text: str, tmp_path: Path) -> None:
    records = [*opened("/v1/x"), *(text_message(50 + n, APP, text) for n in range(5))]
    trace = write(tmp_path / "a.wstrace", records, provider=None, api=None)
    assert texts(scrub(trace, tmp_path / "b.wstrace").path) == [text] * 5


def test_recoded_identity_is_the_same_text() -> None:
    for name in ("base64", "base64, no padding", "base64, url-safe", "base64, MIME", "hexadecimal"):
        text = json.loads(CARRIERS[name].put(CHUNKS[1]))["data"]
        assert replace_encoded(text, lambda data: data) == text
    assert decode_base64("_-8") == b"\xff\xef"


def other_bytes(chance: random.Random, data: bytes) -> bytes:
    return chance.randbytes(len(data))


@pytest.mark.parametrize(
    "block",
    [
        "[" + "0, " * 40 + "-1]",
        "[" + "9," * 40 + "]",
        "[" + "-1e-5," * 20 + "1E5",
        "[1.5" + ",0" * 20,
    ],
)
def test_renumbered_any_list_keeps_length_and_valid_json(block: str) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        made = replace_numbers(block, partial(other_bytes, chance), chance)
        assert len(made) == len(block)
        assert len(made.split(",")) == len(block.split(","))
        if block.endswith("]") and not block.endswith(",]"):
            json.loads(made)


@pytest.mark.parametrize("figure", ["1e999", "9" * 400, "-1e-999", "-0", "1.5E300", "-32768"])
def test_scrub_list_of_any_numbers_is_accepted(figure: str, tmp_path: Path) -> None:
    text = '{"type": "audio", "data": [' + ", ".join([figure] * 20) + "]}"
    trace = write(tmp_path / "a.wstrace", [*opened("/v1/listen"), text_message(50, APP, text)])
    (made,) = texts(scrub(trace, tmp_path / "b.wstrace").path)
    assert len(made) == len(text)
    json.loads(made)
