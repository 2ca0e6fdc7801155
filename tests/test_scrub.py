"""What is made public says nothing of people, and is not made where it would."""

from __future__ import annotations

import base64
import json
import math
import random
import stat
import struct
import unicodedata
import uuid
import zlib
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wsproxy.scrub.check
import wsproxy.scrub.heads
import wsproxy.scrub.known
import wsproxy.scrub.texts
import wsproxy.scrub.traffic
from sessions import APP, MS, SERVER, audio, closed, opened, result, said, write
from traces import KINDS as RECORD_KINDS
from traces import RECORDS, make_trace, read_trace
from wsproxy.catalog import load
from wsproxy.diagnose.audio import sniff
from wsproxy.diagnose.containers import read_header
from wsproxy.errors import NotPublic, UsageError, WsproxyError
from wsproxy.scrub import scrub
from wsproxy.scrub.aliases import Aliases
from wsproxy.scrub.containers import fill
from wsproxy.scrub.jsontext import rewrite
from wsproxy.scrub.noise import Noise, NoiseSource
from wsproxy.session import Session
from wsproxy.trace import Bytes, Failure, FrameRecord, Record, Request, Response, Start
from wsproxy.wire import Opcode

CHANCE = random.Random(7)
WORDS = ["Zanzibar", "Quokkaberg", "Übermorgenmann", "пельменями", "ドラゴンフルーツ"]
SENTENCE = f"please call {WORDS[0]} about the {WORDS[1]}, {WORDS[2]}! {WORDS[3]} {WORDS[4]} 4711"
MAIL = "ada.lovelace@analytical-engines.example"
PHONE = "+49 170 5551234"
ACCOUNT = str(uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF))
REQUEST_ID = "9f8dd6ea-b1dc-4e23-a10d-0e8d26a16528"
CUSTOMER = "AcmeHospital"


def tone(seconds: float, loud: int = 6000) -> bytes:
    """A voice, nearly: a swept sine of 16-bit samples."""
    count = int(seconds * 16_000)
    wave = (loud * math.sin(n * (0.05 + n / count / 9)) * (n % 4000) / 4000 for n in range(count))
    return array("h", map(int, wave)).tobytes()


VOICE = tone(2.0)
CHUNKS = [VOICE[at : at + 3200] for at in range(0, len(VOICE), 3200)]


def session() -> list[Any]:
    """A session with something of people at every place."""
    query = f"model=nova-3&encoding=linear16&sample_rate=16000&keyterm={WORDS[1]}&tag={CUSTOMER}"
    query += f"&extra=account:{ACCOUNT}&callback=https%3A%2F%2Fada.example%2Fhook"
    query += f"%3Ftoken%3DREDACTED&webhook=https://{CUSTOMER}.example/p%3Ftoken=REDACTED"
    start = opened(
        f"/v1/listen?{query}",
        **{
            "Origin": f"https://{CUSTOMER.lower()}.example",
            "User-Agent": f"Python/3.13 websockets/17.4 {CUSTOMER}App/2.1",
            "X-Customer": CUSTOMER,
            "Sec-WebSocket-Key": "IVn7+EDhsJ/RcYLCRvSCDA==",
        },
    )
    request, response = start
    answer = Response(
        response.t_ns, 101, "Switching Protocols", headers=[["dg-request-id", REQUEST_ID]]
    )
    frames: list[Any] = [request, answer]
    frames += [audio(30 + 100 * n, APP, chunk) for n, chunk in enumerate(CHUNKS)]
    frames += [
        result(500, f"please call {WORDS[0]}", final=False),
        result(900, SENTENCE, final=True),
        said(1000, APP, {"type": "Configure", "keyterms": WORDS, "note": f"for {MAIL}"}),
        said(1100, SERVER, {"type": "Metadata", "request_id": REQUEST_ID, "owner": MAIL}),
        said(1200, SERVER, {"type": "Sth", "metadata": {CUSTOMER: PHONE}, "channels": 1}),
        said(1300, SERVER, {"type": "Error", "description": f"no such user {MAIL}", "n": 49170555}),
        FrameRecord(1400 * MS, APP, int(Opcode.PING), b"from Zanzibar"),
        closed(1500, SERVER, 1011, f"NET-0001 for {ACCOUNT}"),
    ]
    return frames


PLANTED = [*WORDS, MAIL, "lovelace", PHONE, "5551234", ACCOUNT, REQUEST_ID, CUSTOMER, "4711"]


def unescaped(payload: bytes) -> bytes:
    """What a JSON message says."""
    try:
        return json.dumps(json.loads(payload), ensure_ascii=False).encode()
    except ValueError:
        return b""


def unpacked(path: Path) -> bytes:
    """All that a trace holds, as anybody can unpack and read it."""
    records, _ = read_trace(path)
    return b"\n".join(
        [json.dumps(str(record), ensure_ascii=False).encode() for record in records]
        + [r.payload for r in records if isinstance(r, FrameRecord)]
        + [unescaped(r.payload) for r in records if isinstance(r, FrameRecord)]
        + [r.data for r in records if isinstance(r, Bytes)]
    )


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("scrub") / "planted.wstrace", session())


@pytest.fixture(scope="module")
def public(trace: Path) -> Path:
    return scrub(trace, trace.with_name("public.wstrace")).path


def frames(path: Path) -> list[FrameRecord]:
    return [record for record in read_trace(path)[0] if isinstance(record, FrameRecord)]


def found(planted: str, content: bytes) -> bool:
    return planted.casefold().encode() in content.decode("utf-8", "replace").casefold().encode()


# -- what goes, and what stays


@pytest.mark.parametrize("planted", PLANTED)
def test_nothing_planted_is_left(planted: str, trace: Path, public: Path) -> None:
    assert found(planted, unpacked(trace))
    assert not found(planted, unpacked(public))


def test_no_audio_is_left(public: Path) -> None:
    content = unpacked(public)
    assert not any(chunk[at : at + 16] in content for chunk in CHUNKS[1:] for at in (64, 640, 3000))


def test_frames_keep_all_that_is_no_content(trace: Path, public: Path) -> None:
    def shape(path: Path) -> list[tuple[object, ...]]:
        return [
            (f.t_ns, f.from_client, f.opcode, f.fin, f.rsv, f.mask, f.wire_length, len(f.payload))
            for f in frames(path)
        ]

    assert shape(public) == shape(trace)


def test_the_failure_is_explained_as_before(trace: Path, public: Path) -> None:
    now, was = Session.read(public), Session.read(trace)
    assert now.findings[0].id == "deepgram.listen.NET-0001"
    assert now.close is not None
    assert was.close is not None
    assert now.close.reason.startswith("NET-0001 for ")
    assert len(now.close.reason) == len(was.close.reason)


def test_what_was_said_is_told_in_the_same_words_everywhere(public: Path) -> None:
    texts = [json.loads(f.payload) for f in frames(public) if f.opcode == Opcode.TEXT]
    interim, final = (t["channel"]["alternatives"][0]["transcript"] for t in texts[:2])
    assert final.startswith(interim)
    keyterms = texts[2]["keyterms"]
    assert keyterms[0] in final
    assert len(final) == len(SENTENCE)
    assert [c for c in final if not c.isalnum()] == [c for c in SENTENCE if not c.isalnum()]
    assert [c.isupper() for c in final] == [c.isupper() for c in SENTENCE]


def test_one_id_is_one_id_everywhere(public: Path) -> None:
    records, _ = read_trace(public)
    answer = next(r for r in records if isinstance(r, Response))
    ids = {json.loads(f.payload).get("request_id") for f in frames(public) if f.opcode == 1}
    (other,) = ids - {None}
    assert answer.headers == [["dg-request-id", other]]
    assert str(uuid.UUID(other)) == other != REQUEST_ID


def test_the_request_keeps_what_tells_the_api(public: Path) -> None:
    request = next(r for r in read_trace(public)[0] if isinstance(r, Request))
    assert request.path.startswith(
        "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&keyterm="
    )
    agent = dict(map(tuple, request.headers))["User-Agent"]
    assert agent.startswith("Python/3.13 websockets/17.4 ")
    assert request.host == "api.example.com" or request.host.endswith(".test")


def test_it_says_what_it_was_made_from(trace: Path, public: Path) -> None:
    old, new = (read_trace(path)[0][0] for path in (trace, public))
    assert isinstance(old, Start)
    assert isinstance(new, Start)
    assert (new.origin, new.mode, new.changes) == (old.session, "scrub", ["scrub"])
    assert new.session != old.session
    assert stat.S_IMODE(public.stat().st_mode) == 0o600


def test_hosts_go_on_demand(tmp_path: Path, trace: Path) -> None:
    made = scrub(trace, tmp_path / "h.wstrace", hosts=True).path
    assert b"example.com" not in unpacked(made)
    start = read_trace(made)[0][0]
    assert isinstance(start, Start)
    assert (start.provider, start.api) == ("deepgram", "listen")


def test_the_same_key_gives_the_same_names(tmp_path: Path, trace: Path) -> None:
    def texts(path: Path) -> list[bytes]:
        return [f.payload for f in frames(path) if f.opcode == Opcode.TEXT]

    one, two = (scrub(trace, tmp_path / f"{n}.wstrace", key=b"k").path for n in range(2))
    other = scrub(trace, tmp_path / "o.wstrace", key=b"o").path
    assert texts(one) == texts(two) != texts(other)


def test_scrubbed_twice_is_still_public(tmp_path: Path, public: Path) -> None:
    again = scrub(public, tmp_path / "again.wstrace")
    assert again.now == again.was == "deepgram.listen.NET-0001"


# -- it fails closed


def leaks(monkeypatch: pytest.MonkeyPatch, trace: Path, owner: object, name: str, made: Any) -> Any:
    monkeypatch.setattr(owner, name, made)
    out = trace.with_name("leaking.wstrace")
    with pytest.raises(NotPublic) as caught:
        scrub(trace, out)
    assert not out.exists()
    assert not list(trace.parent.glob(".leaking*"))
    told = " ".join(caught.value.found)
    assert not any(planted in told for planted in PLANTED), "no value is told"
    return caught.value


def same(_self: object, value: Any, *_: object, **__: object) -> Any:
    return value


def test_a_text_that_was_forgotten_is_found(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.texts.Texts, "free", same)
    assert any("a word of what was said" in line for line in error.found)
    assert any("an id, an address or a number" in line for line in error.found)


def test_a_message_that_was_forgotten_is_found(
    monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.texts.Texts, "bytes", same)
    assert any(line.startswith("frame ") for line in error.found)


def test_audio_that_was_forgotten_is_found(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.traffic.Noise, "like", same)
    assert any("audio of the original" in line for line in error.found)


@pytest.mark.parametrize("name", ["_parameter", "_header"])
def test_a_part_of_the_request_that_was_forgotten_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    kept = {
        "_parameter": lambda _self, part: part,
        "_header": lambda _self, _name, value: value,
    }
    error = leaks(monkeypatch, trace, wsproxy.scrub.heads.Heads, name, kept[name])
    assert any(line.startswith("request ") for line in error.found)


def test_the_end_that_was_forgotten_is_found(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    error = leaks(monkeypatch, trace, wsproxy.scrub.texts.Texts, "failure", same)
    assert any("an id" in line for line in error.found)


def test_a_credential_that_was_left_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "sk_" + "a1B2c3D4" * 5
    records = [*opened("/v1/listen?model=nova-3"), said(50, APP, {"type": "Auth", "note": secret})]
    path = write(tmp_path / "secret.wstrace", records)
    error = leaks(monkeypatch, path, wsproxy.scrub.texts.Texts, "free", same)
    assert any("looks like a credential" in line for line in error.found)
    assert secret not in str(error)
    monkeypatch.undo()
    assert secret.encode() not in unpacked(scrub(path, tmp_path / "ok.wstrace").path)


def test_an_error_that_repeats_what_was_said_is_no_error_message(tmp_path: Path) -> None:
    heard = "the connection was closed because of the audio"
    records = [
        *opened("/v1/listen?model=nova-3"),
        result(50, heard, final=True),
        said(60, SERVER, {"type": "Error", "description": f"cannot say: {heard}"}),
        closed(70, SERVER, 1011, "NET-0001"),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    assert b"connection was closed" not in unpacked(made)


# -- other places


def test_what_is_no_frame_and_what_failed(tmp_path: Path) -> None:
    records = [
        *opened("/v1/listen?model=nova-3"),
        Bytes(30 * MS, SERVER, b"\x83\x04what Ada said", "reserved opcode 0x3 (section 5.2)"),
        Failure(40 * MS, "connect", False, f"[Errno 111] Connect call failed for {MAIL}"),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    new = read_trace(made)[0]
    garbage = next(r for r in new if isinstance(r, Bytes))
    assert garbage.data[:2] == b"\x83\x04"
    assert len(garbage.data) == len(records[2].data)
    assert b"Ada" not in garbage.data
    failure = next(r for r in new if isinstance(r, Failure))
    assert failure.message.startswith("[Errno 111] Connect call failed for ")


def test_a_message_in_fragments_is_one_message(tmp_path: Path) -> None:
    text = json.dumps({"type": "Results", "transcript": SENTENCE}, ensure_ascii=False).encode()
    records = [
        *opened("/v1/listen?model=nova-3"),
        FrameRecord(30 * MS, SERVER, 1, text[:40], fin=False),
        FrameRecord(31 * MS, SERVER, 9, b"x"),
        FrameRecord(32 * MS, SERVER, 0, text[40:]),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    one, ping, two = frames(made)
    assert (len(one.payload), len(ping.payload), len(two.payload)) == (40, 1, len(text) - 40)
    assert set(json.loads(one.payload + two.payload)) == {"type", "transcript"}
    assert not any(word.encode() in unpacked(made) for word in WORDS)


def test_audio_in_base64_becomes_noise_of_the_same_length(tmp_path: Path) -> None:
    packed = base64.b64encode(CHUNKS[2]).decode()
    records = [*opened("/v1/ws"), said(50, SERVER, {"type": "Audio", "audio": packed})]
    trace = write(tmp_path / "a.wstrace", records, provider="assemblyai", api="tts")
    message = json.loads(frames(scrub(trace, tmp_path / "b.wstrace").path)[0].payload)
    noise = base64.b64decode(message["audio"], validate=True)
    assert len(noise) == len(CHUNKS[2])
    assert noise != CHUNKS[2]


def event(body: bytes, **headers: str) -> bytes:
    """A message of AWS's event streams."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
        for name, text in headers.items()
    )
    start = struct.pack(">II", 16 + len(packed) + len(body), len(packed))
    data = start + zlib.crc32(start).to_bytes(4, "big") + packed + body
    return data + zlib.crc32(data).to_bytes(4, "big")


def test_envelopes_stay_sound(tmp_path: Path) -> None:
    heard = {"Transcript": {"Results": [{"Alternatives": [{"Transcript": SENTENCE}]}]}}
    records = [
        *opened("/stream-transcription-websocket?language-code=en-US"),
        audio(40, APP, event(CHUNKS[3], **{":event-type": "AudioEvent"})),
        audio(60, SERVER, event(json.dumps(heard).encode(), **{":event-type": "TranscriptEvent"})),
    ]
    trace = write(tmp_path / "a.wstrace", records, provider="aws_transcribe", api="stream")
    made = scrub(trace, tmp_path / "b.wstrace").path
    from wsproxy.envelope import read

    sent, received = frames(made)
    message, noise = read("event-stream", sent.payload)
    assert message == {":event-type": "AudioEvent"}
    assert len(noise) == len(CHUNKS[3])
    assert noise != CHUNKS[3]
    message, _ = read("event-stream", received.payload)
    assert message is not None
    assert message[":event-type"] == "TranscriptEvent"
    assert "Transcript" in message
    assert not any(word.encode() in unpacked(made) for word in WORDS)


def test_azure_lines_stay(tmp_path: Path) -> None:
    head = "Path: speech.phrase\r\nX-RequestId: 0123456789abcdef0123456789abcdef\r\n"
    text = f'{head}Content-Type: application/json\r\n\r\n{{"DisplayText": "{WORDS[0]}"}}'
    records = [
        *opened("/speech/recognition/conversation/cognitiveservices/v1"),
        said(50, SERVER, text),
    ]
    trace = write(tmp_path / "a.wstrace", records, provider="azure_speech", api="stt")
    made = scrub(trace, tmp_path / "b.wstrace").path
    lines = frames(made)[0].payload.decode().split("\r\n")
    assert lines[0] == "Path: speech.phrase"
    assert lines[1].startswith("X-RequestId: ")
    assert "0123456789abcdef" not in lines[1]
    assert WORDS[0].encode() not in unpacked(made)


# -- where it goes


@pytest.mark.parametrize("kind", ["itself", "symbolic link", "hard link", "part 2", "of a link"])
def test_scrub_to_its_own_input_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wstrace", session())
    before = source.read_bytes()
    out = tmp_path / "other.wstrace"
    match kind:
        case "itself":
            out = tmp_path / "." / "a.wstrace"
        case "symbolic link":
            out.symlink_to(source)
        case "hard link":
            out.hardlink_to(source)
        case "part 2":
            out = tmp_path / "a.part2.wstrace"
        case "of a link":
            out, source = source, out
            source.symlink_to(out)
    with pytest.raises(UsageError) as caught:
        scrub(source, out, force=True)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "a.wstrace").read_bytes() == before
    assert not Session.read(tmp_path / "a.wstrace").losses


def test_scrub_beside_parts_of_another_trace_is_refused(tmp_path: Path, trace: Path) -> None:
    """They would be read as parts of the new trace, which would be taken for a broken one."""
    write(tmp_path / "new.part2.wstrace", session())
    with pytest.raises(
        UsageError, match=r"new\.part2\.wstrace is there and would be read as a part"
    ):
        scrub(trace, tmp_path / "new.wstrace", force=True)
    assert not (tmp_path / "new.wstrace").exists()


# -- words


LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=60)


@given(LETTERS)
def test_words_of_any_script_keep_their_length(text: str) -> None:
    made = Aliases(b"key").text(text)
    assert len(made) == len(text)
    assert [len(c.encode()) for c in made] == [len(c.encode()) for c in text]
    plain = [c for c in text if unicodedata.category(c)[0] in "PZ"]
    assert [c for c in made if unicodedata.category(c)[0] in "PZ"] == plain


@given(st.lists(LETTERS, max_size=5))
def test_the_same_word_is_the_same_word(texts: list[str]) -> None:
    aliases = Aliases(b"key")
    first = [aliases.text(text) for text in texts]
    assert [aliases.text(text) for text in texts] == first
    assert [Aliases(b"key", ()).text(text) for text in texts[:1]] == first[:1]


@given(st.sets(st.from_regex(r"[a-z]{4,9}", fullmatch=True), min_size=1, max_size=30))
def test_no_made_up_word_is_one_of_the_real_ones(words: set[str]) -> None:
    aliases = Aliases(b"key", words)
    made = {aliases.word(word) for word in words}
    assert not made & words
    assert len(made) == len(words), "and two words stay two"


@pytest.mark.parametrize("word", ["ZANZIBAR", "Zanzibar", "zanzibar"])
def test_cases_are_those_of_the_word(word: str) -> None:
    aliases = Aliases(b"key")
    assert aliases.word(word).casefold() == aliases.word("zanzibar")
    assert [c.isupper() for c in aliases.word(word)] == [c.isupper() for c in word]


# -- JSON


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(JSON, st.booleans(), st.integers(0, 200))
def test_what_is_not_replaced_stays_as_it_was(value: object, ascii_only: bool, cut: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert rewrite(text, lambda each: each.content) == text
    assert rewrite(text[:cut], lambda each: each.content) == text[:cut]


@given(JSON, st.booleans())
def test_replaced_json_is_json_of_the_same_size(value: object, ascii_only: bool) -> None:
    aliases = Aliases(b"key")

    def visit(each: Any) -> str:
        return each.content if each.kind == "number" else aliases.text(each.content)

    text = json.dumps(value, ensure_ascii=ascii_only)
    made = rewrite(text, visit)
    assert len(made.encode("utf-8", "surrogatepass")) == len(text.encode("utf-8", "surrogatepass"))
    json.loads(made)


@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    assert rewrite(text, lambda each: each.content) == text


# -- noise


KINDS = ["16-bit PCM", "16-bit PCM, big-endian", "32-bit float PCM", "mu-law", "A-law", ""]


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.binary(max_size=400), max_size=5))
def test_noise_keeps_sizes(kind: str, pieces: list[bytes]) -> None:
    noise = Noise(kind, NoiseSource(random.Random(1)))
    assert [len(noise.like(piece)) for piece in pieces] == [len(piece) for piece in pieces]


@pytest.mark.parametrize("loud", [20, 800, 9000])
def test_noise_is_as_loud_and_of_the_same_kind(loud: int) -> None:
    voice = tone(1.0, loud)
    made = Noise("16-bit PCM", NoiseSource(random.Random(1))).like(voice)
    levels = [sum(map(abs, array("h", data))) / len(data) for data in (voice, made)]
    assert levels[1] == pytest.approx(levels[0], rel=0.2)
    assert sniff(made) == sniff(voice) == "16-bit PCM"


def test_silence_costs_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be hours of it."""
    monkeypatch.setattr(NoiseSource, "samples", None)
    for kind, data in [("16-bit PCM", b"\0\0"), ("mu-law", b"\xff"), ("A-law", b"\xd5")]:
        assert Noise(kind, NoiseSource(random.Random(1))).like(data * 3200) == data * 3200


@given(st.lists(st.tuples(st.sampled_from([0, 300, -20_000]), st.integers(1, 40)), max_size=12))
def test_pauses_stay_where_they_are(runs: list[tuple[int, int]]) -> None:
    samples = array("h", [value for value, count in runs for _ in range(count)])
    made = array("h", Noise("16-bit PCM", NoiseSource(random.Random(1))).like(samples.tobytes()))
    assert len(made) == len(samples)
    for at in range(len(samples) - 15):
        if not any(samples[at : at + 16]):
            assert not any(made[at : at + 16])


def test_silence_stays_silence_and_clipping_clipping() -> None:
    silence = bytes(3200)
    loud = array("h", [32767] * 90 + [100, -100] * 800).tobytes()
    noise = Noise("16-bit PCM", NoiseSource(random.Random(1)))
    assert noise.like(silence) == silence
    made = array("h", noise.like(loud))
    assert made.count(32767) + made.count(-32767) == 90
    assert noise.like(silence + VOICE[6400:9600])[:3200] == silence


def wav(data: bytes) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    notes = b"LIST" + struct.pack("<I", 12) + b"INFOZanzibar"
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + notes
    return b"RIFF\xff\xff\xff\xff" + chunks + b"data" + struct.pack("<I", len(data)) + data


def ogg_page(packets: list[bytes], *, first: bool = False) -> bytes:
    lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    head = b"OggS\0" + bytes([2 if first else 0]) + bytes(16) + bytes(4) + bytes([len(lacing)])
    return head + lacing + b"".join(packets)


OPUS = [
    ogg_page([b"OpusHead\x01\x01\x38\x01\x80\x3e\0\0\0\0\0"], first=True),
    ogg_page([b"OpusTags" + struct.pack("<I", 8) + b"Zanzibar" + bytes(4)]),
    ogg_page([b"\x48" + CHANCE.randbytes(60) for _ in range(20)]),
]
WEBM = (
    b"\x1aE\xdf\xa3\x87\x42\x82\x84webm"
    + b"\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff"
    + b"\x15I\xa9f\x8b\x7b\xa9\x88Zanzibar"
    + b"\x1fC\xb6u\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0"
    + b"".join(b"\xa3\xc0\x81\0\0\x80" + CHANCE.randbytes(60) for _ in range(9))
)
MP3 = b"ID3\x04\0\0\0\0\0\x0aZanzibar\0\0" + b"".join(
    b"\xff\xfb\x90\x64" + CHANCE.randbytes(413) for _ in range(5)
)
STREAMS = {
    "WAV": wav(VOICE),
    "Ogg/Opus": b"".join(OPUS),
    "WebM": WEBM,
    "MP3": MP3,
    "FLAC": b"fLaC\x80\0\0\x22"
    + bytes(10)
    + b"\x0a\xc4\x42\xf0"
    + bytes(20)
    + CHANCE.randbytes(900),
    "AMR": b"#!AMR\n" + b"".join(b"\x3c" + CHANCE.randbytes(31) for _ in range(9)),
    "AAC (ADTS)": b"".join(
        b"\xff\xf1\x50\x40\x19\x1f\xfc" + CHANCE.randbytes(193) for _ in range(5)
    ),
    "MP4": b"\0\0\0\x18ftypM4A \0\0\0\0" + CHANCE.randbytes(600),
}


@pytest.mark.parametrize("name", STREAMS)
def test_containers_are_recognised_and_full_of_noise(name: str, tmp_path: Path) -> None:
    whole = STREAMS[name]
    assert sniff(whole) == name
    records = [*opened("/v1/listen?model=nova-3")]
    records += [audio(50 + at, APP, whole[at : at + 500]) for at in range(0, len(whole), 500)]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace")
    noise = b"".join(f.payload for f in frames(made.path))
    assert len(noise) == len(whole)
    assert sniff(noise) == name
    assert read_header(noise) == read_header(whole)
    assert b"Zanzibar" not in noise
    assert bool(made.notes) == (name in ("FLAC", "MP4"))
    tail = [whole[at : at + 20] for at in range(len(whole) // 2, len(whole) - 20, 20)]
    assert not any(piece in noise for piece in tail)


@given(st.sampled_from(sorted(STREAMS)), st.binary(max_size=300), st.integers(0, 600))
def test_no_stream_is_too_damaged_to_be_filled(name: str, other: bytes, cut: int) -> None:
    damaged = STREAMS[name][:cut] + other
    assert len(fill(name, damaged, random.Random(1).randbytes).data) == len(damaged)


def test_the_catalog_is_not_asked_for_what_people_say() -> None:
    known = wsproxy.scrub.check.Known(load(), "deepgram", "listen")
    assert known.keeps("model", "nova-3")
    assert known.keeps("type", "Results")
    for name, value in [("model", MAIL), ("transcript", "Results"), ("name", "Ada"), ("x", "y z")]:
        assert not known.keeps(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("digits", "4111"), ("birthday", "1987-03-04"), ("x_pin", "1234"), ("to", "Ada")],
)
def test_short_values_that_may_be_somebodys_go(name: str, value: str, tmp_path: Path) -> None:
    records = [
        *opened("/v1/listen?model=nova-3"),
        said(50, APP, {"type": "Configure", name: value}),
    ]
    made = scrub(write(tmp_path / "a.wstrace", records), tmp_path / "b.wstrace").path
    message = json.loads(frames(made)[0].payload)
    assert message.pop("type") == "Configure"
    assert len(message) == 1
    assert value not in message.values()
    assert (name in message) == (name == "to"), "a name that no document has goes as well"


def test_a_name_that_was_forgotten_is_found(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    known = wsproxy.scrub.known.Known
    error = leaks(monkeypatch, trace, known, "keeps_name_at", lambda *_: True)
    assert any("a word or a number that no document lists" in line for line in error.found)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORD_KINDS["start"], st.lists(RECORDS, max_size=10))
def test_any_trace_is_made_public_or_refused_in_our_own_words(
    tmp_path: Path, start: Record, records: list[Record]
) -> None:
    path = make_trace(tmp_path / "wild.wstrace", [start, *records])
    out = tmp_path / "public.wstrace"
    out.unlink(missing_ok=True)
    try:
        scrub(path, out)
    except WsproxyError:
        assert not out.exists()
    else:
        Session.read(out)
