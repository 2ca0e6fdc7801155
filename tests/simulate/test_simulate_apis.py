"""The simulated APIs by themselves: messages in, actions out, no sockets and no waiting."""

import io
import itertools
import json
import wave
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import pytest

from wsproxy.audio import g711
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import ClosePattern, Refusal, load
from wsproxy.simulate.api import Action, ApiQuotas, ApiRequest, SimulatedApi
from wsproxy.simulate.assemblyai import AssemblyAIStreaming
from wsproxy.simulate.condition_api import ConditionApi
from wsproxy.simulate.deepgram_listen import DeepgramListen
from wsproxy.simulate.deepgram_speak import DeepgramSpeak
from wsproxy.simulate.recognizer import Recognizer

LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
SPEAK = "/v1/speak?model=aura-2-thalia-en"
STREAM = "/v3/ws?sample_rate=16000"
Api = TypeVar("Api", bound=SimulatedApi)
KEY = {"authorization": "Token good"}


def request(target: str, headers: Mapping[str, str] = KEY, **more: Any) -> ApiRequest:
    return ApiRequest.parse(target, headers, **more)


def refused(api: SimulatedApi) -> Refusal:
    refusal = api.refusal()
    assert refusal is not None
    return refusal


def session(
    kind: type[Api], target: str, limits: ApiQuotas | None = None, **more: Any
) -> tuple[Api, list[Action]]:
    api = kind(request(target, **more), limits or ApiQuotas())
    assert api.refusal() is None
    return api, list(api.opened(0.0))


def stream(
    api: SimulatedApi, audio: bytes, chunk: int = 3200, start: float = 0.0, pace: float = 0.1
) -> list[Action]:
    """Send audio in real time; what came back."""
    out: list[Action] = []
    for number, at in enumerate(range(0, len(audio), chunk)):
        out += api.binary(audio[at : at + chunk], start + number * pace)
    return out


def messages(actions: Iterable[Action]) -> list[dict[str, Any]]:
    return [json.loads(action) for action in actions if isinstance(action, str)]


def closes(actions: Iterable[Action]) -> list[tuple[int | None, str]]:
    return [(a.code, a.reason) for a in actions if isinstance(a, ClosePattern)]


# ---- made audio


def test_speech_same_arguments_give_the_same_bytes() -> None:
    assert speech(2.0) == speech(2.0)
    assert speech(3.0).startswith(speech(1.0))
    assert speech(1.0, seed=1) != speech(1.0)
    assert len(speech(1.5, rate=8000)) == 24_000


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 48_000])
def test_speech_has_words_and_pauses(rate: int) -> None:
    hearing = Recognizer(AudioFormat("linear16", rate))
    list(hearing.add(speech(6.0, rate)))
    words = hearing.take()
    assert 8 < len(words) < 30
    gaps = [b.start - a.end for a, b in itertools.pairwise(words)]
    assert max(gaps) > 0.4  # between sentences
    assert min(gaps) >= 0.04


def test_recognizer_chunk_size_makes_no_difference() -> None:
    audio, transcripts = speech(4.0), []
    for size in (100, 3200, 64_000):
        hearing = Recognizer(AudioFormat("linear16", 16_000))
        for at in range(0, len(audio), size):
            list(hearing.add(audio[at : at + size]))
        transcripts.append(hearing.take())
    assert transcripts[0] == transcripts[1] == transcripts[2]


@pytest.mark.parametrize(
    ("encoding", "code"), [("mulaw", g711.MULAW.encode_pcm), ("alaw", g711.ALAW.encode_pcm)]
)
def test_recognizer_companded_audio_has_the_same_words(
    encoding: str, code: Callable[[bytes], bytes]
) -> None:
    audio = speech(4.0, 8000)
    linear = Recognizer(AudioFormat("linear16", 8000))
    companded = Recognizer(AudioFormat(encoding, 8000))
    list(linear.add(audio))
    list(companded.add(code(audio)))
    assert len(linear.take()) == len(companded.take())
    assert companded.seconds == 4.0


def test_recognizer_silence_has_no_words() -> None:
    hearing = Recognizer(AudioFormat("linear16", 16_000))
    list(hearing.add(bytes(64_000)))
    assert hearing.take() == []
    assert hearing.quiet == pytest.approx(2.0)


# ---- Deepgram listen


def test_listen_good_session_has_results() -> None:
    api, first = session(DeepgramListen, LISTEN + "&interim_results=true")
    assert first == []
    results = messages(stream(api, speech(5.0)))
    assert {r["type"] for r in results} == {"Results"}
    finals = [r for r in results if r["is_final"]]
    assert finals and len(finals) < len(results)
    # Final results cover the audio without gaps.
    ends = [0.0] + [round(r["start"] + r["duration"], 3) for r in finals]
    assert [r["start"] for r in finals] == pytest.approx(ends[:-1], abs=0.002)
    last = api.text('{"type":"CloseStream"}', 5.0)
    *_, final, metadata = messages(last)
    assert metadata["type"] == "Metadata"
    assert metadata["duration"] == 5.0
    assert metadata["channels"] == 1
    assert metadata["request_id"] == final["metadata"]["request_id"]
    assert closes(last) == [(1000, "")]


def test_listen_without_interim_results_sends_final_results_only() -> None:
    api, _ = session(DeepgramListen, LISTEN)
    assert all(r["is_final"] for r in messages(stream(api, speech(5.0))))


def test_listen_result_has_words_and_punctuation() -> None:
    api, _ = session(DeepgramListen, LISTEN + "&smart_format=true")
    result = messages(stream(api, speech(3.0)))[0]["channel"]["alternatives"][0]
    assert result["transcript"].endswith(".")
    assert result["transcript"] == " ".join(w["punctuated_word"] for w in result["words"])
    assert result["words"][0]["start"] < result["words"][0]["end"]


def test_listen_finalize_sends_final_result() -> None:
    api, _ = session(DeepgramListen, LISTEN)
    stream(api, speech(1.0))
    (result,) = messages(api.text('{"type":"Finalize"}', 1.0))
    assert result["from_finalize"] and result["is_final"]
    assert result["channel"]["alternatives"][0]["transcript"]


def test_listen_speech_started_and_utterance_end_are_sent_on_request() -> None:
    audio = speech(3.0) + bytes(16_000 * 2 * 3)
    api, _ = session(DeepgramListen, LISTEN)
    assert {m["type"] for m in messages(stream(api, audio))} == {"Results"}
    api, _ = session(
        DeepgramListen, LISTEN + "&vad_events=true&utterance_end_ms=1000&interim_results=true"
    )
    found = messages(stream(api, audio))
    started = [m["timestamp"] for m in found if m["type"] == "SpeechStarted"]
    (end,) = [m for m in found if m["type"] == "UtteranceEnd"]
    assert started[0] == pytest.approx(0.1)
    assert end["last_word_end"] == pytest.approx(3.0, abs=0.7)


def test_listen_no_audio_ends_with_net_0001() -> None:
    api, _ = session(DeepgramListen, LISTEN, ApiQuotas(silence=10))
    assert api.deadline() == 10.0
    api.text('{"type":"KeepAlive"}', 4.0)
    assert api.deadline() == 10.0  # alone it is not enough
    stream(api, speech(0.1), start=5.0)
    api.text('{"type":"KeepAlive"}', 9.0)
    assert api.deadline() == 19.0
    assert closes(api.on_deadline(19.0)) == [(1011, "NET-0001")]


@pytest.mark.parametrize(
    "data", [b'{"type":"KeepAlive"}', b"<!DOCTYPE html><html>", b"UklGRiQAAABXQVZF", b"hello world"]
)
def test_listen_text_as_audio_ends_with_data_0000(data: bytes) -> None:
    api, _ = session(DeepgramListen, LISTEN)
    assert closes(api.binary(data, 0.0)) == [(1008, "DATA-0000")]


def test_listen_needs_an_encoding_or_a_container() -> None:
    raw = speech(0.5)[3200:]
    api, _ = session(DeepgramListen, "/v1/listen?model=nova-3")
    assert closes(api.binary(raw, 0.0)) == [(1008, "DATA-0000")]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((2, 2, 8000, 0, "NONE", ""))
        out.writeframes(speech(2.0, 16_000))
    api, _ = session(DeepgramListen, "/v1/listen?model=nova-3")
    api.binary(file.getvalue(), 0.0)
    assert api.audio_seconds == pytest.approx(2.0, abs=0.01)


def test_listen_empty_message_closes_the_stream() -> None:
    api, _ = session(DeepgramListen, LISTEN)
    assert closes(api.binary(b"", 0.0)) == [(1000, "")]


def test_listen_invalid_message_is_reported() -> None:
    api, _ = session(DeepgramListen, LISTEN)
    assert messages(api.text("nonsense", 0.0))[0]["variant"] == "SchemaError"
    assert messages(api.text("[]", 0.0))[0]["type"] == "Error"


@pytest.mark.parametrize(
    ("target", "headers", "status", "text"),
    [
        (LISTEN, {}, 401, "Invalid credentials."),
        (LISTEN, {"authorization": "Token bad-key"}, 401, "Invalid credentials."),
        (LISTEN, {"authorization": "Token"}, 401, "Invalid credentials."),
        ("/v1/listen?model=nova-9000x", KEY, None, ""),
        ("/v1/listen?model=nonsense", KEY, 400, "No such model"),
        ("/v1/listen?model=flux-general-en", KEY, 400, "No such model"),
        ("/v1/listen?sample_rate=16k", KEY, 400, "Failed to deserialize query parameters"),
    ],
)
def test_listen_refusal_of_each_request_is_expected(
    target: str, headers: dict[str, str], status: int | None, text: str
) -> None:
    refusal = DeepgramListen(request(target, headers), ApiQuotas()).refusal()
    if status is None:
        assert refusal is None
        return
    assert refusal is not None
    assert refusal.status == status
    body = json.loads(refusal.body)
    assert text in body["err_msg"]
    assert dict(refusal.headers)["dg-error"] == body["err_msg"]


def test_listen_too_many_sessions_is_refused() -> None:
    busy = refused(DeepgramListen(request(LISTEN, sessions=2), ApiQuotas(sessions=2)))
    assert (busy.status, json.loads(busy.body)["err_code"]) == (429, "TOO_MANY_REQUESTS")


def test_request_key_in_subprotocol_is_its_credential() -> None:
    headers = {"sec-websocket-protocol": "token, abc"}
    assert DeepgramListen(request(LISTEN, headers), ApiQuotas()).refusal() is None


# ---- Deepgram speak


def test_speak_good_session_has_audio_and_flushed() -> None:
    api, first = session(DeepgramSpeak, SPEAK)
    (metadata,) = messages(first)
    assert metadata["model_name"] == "aura-2-thalia-en"
    assert api.text('{"type":"Speak","text":"Hello there."}', 0.0) == ()
    *audio, flushed = api.text('{"type":"Flush"}', 0.1)
    assert messages([flushed]) == [{"type": "Flushed", "sequence_id": 0}]
    assert all(isinstance(each, bytes) for each in audio)
    assert sum(len(each) for each in audio if isinstance(each, bytes)) == 24_000 * 2 * 12 * 6 // 100
    assert messages(api.text('{"type":"Clear"}', 0.2))[0]["type"] == "Cleared"
    assert closes(api.text('{"type":"Close"}', 0.3)) == [(1000, "")]


def test_speak_close_flushes_the_rest() -> None:
    api, _ = session(DeepgramSpeak, SPEAK + "&encoding=mulaw&sample_rate=8000")
    api.text('{"type":"Speak","text":"Hello"}', 0.0)
    actions = api.text('{"type":"Close"}', 0.1)
    assert sum(len(a) for a in actions if isinstance(a, bytes)) == 8000 * 30 // 100
    assert api.audio_seconds == pytest.approx(0.3)
    assert closes(actions) == [(1000, "")]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"\x00\x01", (1003, "MESSAGE-0000")),
        ("nonsense", (1008, "DATA-0000")),
        ('{"type":"Hello"}', (1008, "DATA-0000")),
        ('{"type":"Speak"}', (1008, "DATA-0000")),
        (json.dumps({"type": "Speak", "text": "x" * 2001}), (1009, "BIG-0001")),
        (json.dumps({"type": "Speak", "text": "x" * 2_000_000}), (1009, "BIG-0000")),
    ],
)
def test_speak_invalid_message_ends_session(sent: str | bytes, expected: tuple[int, str]) -> None:
    api, _ = session(DeepgramSpeak, SPEAK)
    actions = api.text(sent, 0.0) if isinstance(sent, str) else api.binary(sent, 0.0)
    assert closes(actions) == [expected]


def test_speak_too_many_characters_in_window_ends_session() -> None:
    api, _ = session(DeepgramSpeak, SPEAK, ApiQuotas(characters=100, characters_window=60))
    line = json.dumps({"type": "Speak", "text": "x" * 60})
    assert api.text(line, 0.0) == ()
    assert api.text(line, 61.0) == ()  # the first is forgotten
    assert closes(api.text(line, 62.0)) == [(1008, "DATA-0001")]


def test_speak_silent_client_ends_session() -> None:
    api, _ = session(DeepgramSpeak, SPEAK, ApiQuotas(speak_silence=7))
    assert api.deadline() == 7.0
    assert closes(api.on_deadline(7.0)) == [(1011, "NET-0001")]


def test_speak_invalid_request_is_refused() -> None:
    refusal = refused(DeepgramSpeak(request(SPEAK + "&encoding=mp3"), ApiQuotas()))
    code = json.loads(refusal.body)["err_code"]
    assert (refusal.status, code) == (400, "INVALID_QUERY_PARAMETER")
    assert refused(DeepgramSpeak(request("/v1/speak?model=nova-3"), ApiQuotas())).status == 400
    refusal = refused(DeepgramSpeak(request(SPEAK + "&sample_rate=11025"), ApiQuotas()))
    assert "sample_rate must be 8000" in json.loads(refusal.body)["err_msg"]


@pytest.mark.parametrize("kind", [DeepgramListen, DeepgramSpeak, AssemblyAIStreaming])
@pytest.mark.parametrize("value", ["9" * 5000, "-1", "", "1e3", "\u0661"])
def test_refusal_invalid_number_never_raises(kind: type[SimulatedApi], value: str) -> None:
    query = f"?sample_rate={value}&channels={value}&endpointing={value}&inactivity_timeout={value}"
    api = kind(request(f"/x{query}"), ApiQuotas())
    api.refusal()
    api.opened(0.0)
    api.binary(bytes(3200), 0.0)


# ---- AssemblyAI


def test_assemblyai_good_session_has_turns() -> None:
    api, first = session(AssemblyAIStreaming, STREAM + "&format_turns=true", now=1000.0)
    (begin,) = messages(first)
    assert begin["expires_at"] == 1000 + 3 * 3600
    turns = messages(stream(api, speech(5.0) + bytes(32_000)))
    assert {t["type"] for t in turns} == {"Turn"}
    ended = [t for t in turns if t["end_of_turn"]]
    partial = [t for t in turns if not t["end_of_turn"]]
    assert partial and len(ended) >= 2
    assert [t["turn_is_formatted"] for t in ended[:2]] == [False, True]
    assert ended[0]["turn_order"] == ended[1]["turn_order"] == 0
    assert ended[1]["transcript"].endswith(".")
    assert ended[0]["words"][0]["start"] == 100  # ms
    last = api.text('{"type":"Terminate"}', 6.4)
    termination = messages(last)[-1]
    assert termination["type"] == "Termination"
    assert termination["audio_duration_seconds"] == 6
    assert termination["session_duration_seconds"] == 6
    assert closes(last) == [(1000, "")]


def test_assemblyai_force_endpoint_and_configuration_are_applied() -> None:
    api, _ = session(AssemblyAIStreaming, STREAM)
    stream(api, speech(1.0))
    (turn,) = messages(api.text('{"type":"ForceEndpoint"}', 1.0))
    assert turn["end_of_turn"]
    assert api.text('{"type":"UpdateConfiguration","format_turns":true}', 1.0) == ()
    stream(api, speech(1.0), start=1.0)
    assert len(api.text('{"type":"ForceEndpoint"}', 2.0)) == 2


def error_of(actions: Iterable[Action]) -> tuple[int | None, str, str]:
    """The Error message and the Close frame, which must agree."""
    (message,), ((code, reason),) = messages(actions), closes(actions)
    assert message["type"] == "Error"
    assert message["error_code"] == code
    return code, message["error"], reason


@pytest.mark.parametrize(
    ("milliseconds", "bad"), [(20, True), (49, True), (50, False), (1000, False), (1001, True)]
)
def test_assemblyai_chunk_duration_limits_are_enforced(milliseconds: int, bad: bool) -> None:
    api, _ = session(AssemblyAIStreaming, STREAM)
    actions = api.binary(bytes(32 * milliseconds), 0.0)
    if not bad:
        assert actions == []
        return
    code, error, reason = error_of(actions)
    text = f"Input duration violation: {milliseconds:.1f} ms. Expected between 50 and 1000 ms"
    assert (code, error, reason) == (3007, text, text)


def test_assemblyai_faster_than_real_time_ends_session() -> None:
    api, _ = session(AssemblyAIStreaming, STREAM, ApiQuotas(ahead=2.0))
    for _ in range(20):
        assert not closes(api.binary(bytes(3200), 0.0))
    code, error, _ = error_of(api.binary(bytes(3200), 0.01))
    assert code == 3007
    assert error == "Audio Transmission Rate Exceeded: Received 2.1 sec. audio in 0.0 sec"


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("{'type': 'Terminate'}", "Invalid JSON: {'type': 'Terminate'}"),
        ("[]", "Invalid Message: []"),
        ('{"type":"Hello"}', "Invalid Message Type: Hello"),
    ],
)
def test_assemblyai_invalid_message_is_reported(sent: str, text: str) -> None:
    api, _ = session(AssemblyAIStreaming, STREAM)
    assert error_of(api.text(sent, 0.0)) == (3006, text, text)


def test_assemblyai_long_reasons_are_in_the_message_only() -> None:
    api, _ = session(AssemblyAIStreaming, STREAM)
    code, error, reason = error_of(api.text("x" * 200, 0.0))
    assert (code, error) == (3006, "Invalid JSON: " + "x" * 200)
    assert reason == "See Error message for details"


def test_assemblyai_inactivity_or_maximum_duration_ends_session() -> None:
    api, _ = session(AssemblyAIStreaming, STREAM + "&inactivity_timeout=5", ApiQuotas(session=60))
    api.text('{"type":"KeepAlive"}', 3.0)
    assert api.deadline() == 8.0
    code, error, _ = error_of(api.on_deadline(8.0))
    assert code == 3006
    assert error.endswith("No messages received for 5 seconds")
    api, _ = session(AssemblyAIStreaming, STREAM, ApiQuotas(session=60))
    assert api.deadline() == 60.0
    assert error_of(api.on_deadline(60.0))[:2] == (
        3008,
        "Session Expired: Maximum session duration exceeded",
    )


def test_assemblyai_missing_or_invalid_credentials_end_session() -> None:
    for headers in ({}, {"authorization": "invalid"}):
        actions = AssemblyAIStreaming(request(STREAM, headers), ApiQuotas()).opened(0.0)
        assert error_of(actions)[0] == 1008
    good = AssemblyAIStreaming(request(STREAM + "&token=abc", {}), ApiQuotas()).opened(0.0)
    assert messages(good)[0]["type"] == "Begin"


def test_assemblyai_too_many_sessions_ends_session() -> None:
    actions = AssemblyAIStreaming(request(STREAM, sessions=1), ApiQuotas(sessions=1)).opened(0.0)
    assert error_of(actions)[0] == 3009


# ---- on command


def scripted(
    kind: type[Api], target: str, name: str, limits: ApiQuotas | None = None
) -> ConditionApi:
    condition = load().condition(name)
    assert condition is not None
    assert condition.simulate is not None
    return ConditionApi(kind(request(target), limits or ApiQuotas()), condition.simulate)


def test_condition_api_after_audio_fails() -> None:
    api = scripted(DeepgramListen, LISTEN, "deepgram.listen.NET-0000")
    assert api.opened(0.0) == ()
    assert closes(api.binary(speech(0.1), 0.0)) == [(1011, "NET-0000")]


def test_condition_api_without_audio_fails_as_well() -> None:
    api = scripted(DeepgramListen, LISTEN, "deepgram.listen.NET-0000", ApiQuotas(silence=3))
    api.opened(0.0)
    assert api.deadline() == 3.0
    assert closes(api.on_deadline(3.0)) == [(1011, "NET-0000")]


def test_condition_api_in_silence_fails() -> None:
    api = scripted(DeepgramListen, LISTEN, "deepgram.listen.NET-0001", ApiQuotas(silence=3))
    api.opened(0.0)
    assert not closes(stream(api, speech(2.0)))
    assert api.deadline() == pytest.approx(1.9 + 3)
    assert closes(api.on_deadline(5.0)) == [(1011, "NET-0001")]


def test_condition_api_in_silence_client_end_fails_as_well() -> None:
    api = scripted(DeepgramListen, LISTEN, "deepgram.listen.NET-0001", ApiQuotas(silence=3))
    api.opened(0.0)
    assert closes(api.text('{"type":"CloseStream"}', 2.0)) == [(1011, "NET-0001")]


def test_condition_api_at_open_sends_message_and_close() -> None:
    api = scripted(AssemblyAIStreaming, STREAM, "assemblyai.streaming.3009-concurrency")
    assert error_of(api.opened(0.0))[0] == 3009


def test_condition_api_suppresses_failures_of_the_api() -> None:
    api = scripted(
        AssemblyAIStreaming, STREAM, "assemblyai.streaming.3006-inactivity", ApiQuotas(silence=3)
    )
    assert messages(api.opened(0.0))[0]["type"] == "Begin"
    assert not closes(api.binary(bytes(320), 0.1))  # 10 ms, by itself a 3007
    assert error_of(api.on_deadline(3.1))[0] == 3006


def test_condition_api_refusal_has_the_request_id() -> None:
    api = scripted(DeepgramListen, LISTEN, "deepgram.upgrade.INVALID_AUTH")
    api.request = request(LISTEN, request_id="abc")
    assert json.loads(refused(api).body)["request_id"] == "abc"
