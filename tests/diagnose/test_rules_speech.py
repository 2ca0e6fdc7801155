"""Rules about texts to speak, each with near misses."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from speech_sessions import CATALOG, SpeechSession, cartesia_chunk, spoken
from wsproxy.catalog.envelope import wrap
from wsproxy.diagnose.rules import exchange, received, spoken_texts
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Json = dict[str, Any]
Build = Callable[[], Session]

MULTI = "/v1/text-to-speech/v/multi-stream-input?model_id=m"
ONE = "/v1/text-to-speech/v/stream-input?model_id=m"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def contexts(count: int, *after: Json, text: str = "Good morning. ") -> Session:
    session = SpeechSession("elevenlabs", "tts-multi", MULTI)
    for number in range(count):
        session.app({"text": text, "context_id": f"c{number}", "flush": True})
        session.server({"audio": b64(spoken(0.5)), "contextId": f"c{number}"}).wait(3)
        for message in after:
            session.app({**message, "context_id": f"c{number}"})
    return session.close()


def text_with(tag: str, query: str = "") -> Session:
    session = SpeechSession("elevenlabs", "tts", ONE + query)
    session.app({"text": f"One moment. {tag} Here it is. "}).app({"text": ""})
    return session.server({"audio": b64(spoken(0.5))}, {"isFinal": True}).close(by="server")


def words(*said: str, flushed: bool = True) -> Session:
    session = SpeechSession("gradium", "tts").server({"type": "ready"})
    session.app({"type": "text", "text": "The parcel has not arrived."}).app({"type": "flush"})
    for word in said:
        session.server({"type": "text", "text": word}, {"type": "audio", "audio": b64(spoken(0.3))})
    if flushed:
        session.server({"type": "flushed"})
    return session.wait(4).close()


def times(*server: Json, done: bool = True, **asked: object) -> Session:
    text = {"context_id": "a", "transcript": "Good morning. ", **asked}
    session = SpeechSession("cartesia", "tts").app(text).server(*server, cartesia_chunk())
    if done:
        session.server({"type": "done", "context_id": "a", "done": True})
    return session.wait(1).close()


TIMES = {"type": "timestamps", "word_timestamps": {"words": ["Good"], "start": [0.1]}}


def alignment(value: object) -> Session:
    session = SpeechSession("elevenlabs", "tts", ONE + "&sync_alignment=true")
    session.app({"text": "Good morning. "}).app({"text": ""})
    for _ in range(5):
        session.server({"audio": b64(spoken(0.5)), "alignment": value})
    return session.server({"isFinal": True}).close(by="server")


def requests(
    *ends: str, audio: tuple[bool, ...], text: str = "Good morning.", cancels: bool = False
) -> Session:
    """Texts with an id of their own, of a service that is not known."""
    session = SpeechSession(None, None, "/tts/ws")
    for number, has_audio in enumerate(audio):
        session.app({"text": text if not has_audio else "Good morning.", "id": f"r{number}"})
        if has_audio:
            session.server(spoken(0.5))
        if cancels and not has_audio:
            session.wait(1).app({"operation": "clear"})
        for end in ends:
            session.server({"type": end, "id": f"r{number}"}).wait(1)
    return session.close()


def closed_contexts(*spoken_ones: str, cancels: bool = False, every: float = 7.0) -> Session:
    """The app closes each context with its text."""
    session = SpeechSession("elevenlabs", "tts-multi", MULTI)
    for name in ("c0", "c1", "c2"):
        session.app({"text": "Good morning. ", "context_id": name, "flush": True})
        if cancels:
            session.wait(1)
        session.app({"context_id": name, "close_context": True})
        if name in spoken_ones:
            session.server({"audio": b64(spoken(0.5)), "contextId": name})
            session.server({"isFinal": True, "contextId": name})
        session.wait(every)
    return session.close()


def unknown(path: str, *app: Json, server: tuple[Any, ...] = (), wait: float = 8.0) -> Session:
    session = SpeechSession(None, None, path)
    for message in app:
        session.app(message)
    return session.server(*server).wait(wait).close()


def one_text(*server: Json, wait: float = 3.0) -> Session:
    session = SpeechSession("elevenlabs", "tts", ONE).app({"text": "Sure. "})
    return session.server(*server).wait(wait).close()


def flushes(*delays: float, audio_first: bool = False) -> Session:
    session = SpeechSession("deepgram", "speak")
    for delay in delays:
        session.app({"type": "Speak", "text": "Good morning. "})
        if audio_first:
            session.server(spoken(0.5))
        session.wait(delay).app({"type": "Flush"})
        session.server(spoken(0.5), {"type": "Flushed"}).wait(2)
    return session.close()


def kept_back(
    *, at_once: bool = False, every: float = 6.0, path: str = "/tts", late: float = 0.0
) -> Session:
    session = SpeechSession(None, None, path)
    for number in range(3):
        session.app({"text": "Just a moment."}).wait(0.3)
        if at_once or number:
            session.server(spoken(0.5))
        session.wait(every)
    if late:
        session.server(spoken(0.5)).wait(late)
    return session.close()


def ssml(body: str, *words: str, ended: bool = True) -> Session:
    session = SpeechSession("azure_speech", "tts")
    session.app(
        f"Path: ssml\r\nX-RequestId: a\r\n\r\n<speak><voice name='v'>{body}</voice></speak>"
    )
    session.server({"Path": "turn.start", "X-RequestId": "a"})
    for word in words:
        data = [{"Type": "WordBoundary", "Data": {"Offset": 0, "text": {"Text": word}}}]
        session.server({"Path": "audio.metadata", "X-RequestId": "a", "Metadata": data})
    session.server(wrap("azure", "", spoken(0.5)))
    if ended:
        session.server({"Path": "turn.end", "X-RequestId": "a"})
    return session.wait(3).close()


def sized(size: int, fields: str = "&output_format=pcm_16000") -> Session:
    session = SpeechSession("elevenlabs", "tts", ONE + fields).app({"text": "Good morning. "})
    data = spoken(2)
    for at in range(0, len(data), size):
        session.server({"audio": b64(data[at : at + size])})
    return session.server({"isFinal": True}).close(by="server")


CASES: list[tuple[Any, Build, str, list[Build]]] = [
    (
        spoken_texts.contexts_left_open,
        lambda: contexts(3),
        "3 contexts still open at the end: no close_context=true",
        [
            lambda: contexts(2),
            lambda: contexts(3, {"close_context": True}),
            lambda: contexts(3, text=" "),
        ],
    ),
    (
        spoken_texts.ssml_not_read,
        lambda: text_with('<break time="1s" />'),
        "has no enable_ssml_parsing=true",
        [
            lambda: text_with('<break time="1s" />', "&enable_ssml_parsing=true"),
            lambda: text_with("<- here"),
            lambda: text_with("[pause]"),
        ],
    ),
    (
        spoken_texts.words_unspoken,
        lambda: words("The", "parcel"),
        "9 of 23 letters were spoken",
        [
            lambda: words("The", "parcel", "has", "not", "arrived."),
            lambda: words("The", "parcel", flushed=False),
            words,
        ],
    ),
    (
        spoken_texts.word_times_missing,
        lambda: times(add_timestamps=True),
        "add_timestamps is set in frame 1",
        [
            lambda: times(TIMES, add_timestamps=True),
            lambda: times(add_timestamps=False),
            lambda: times(add_timestamps=True, done=False),
            times,
            lambda: alignment({"chars": ["G"]}),
        ],
    ),
    (
        spoken_texts.word_times_missing,
        lambda: alignment(None),
        "sync_alignment is set in the URL",
        [],
    ),
    (
        spoken_texts.some_texts_without_audio,
        lambda: requests("start", "end", audio=(True, False, True)),
        "1 of 3 texts had no audio: that of frame 5",
        [
            lambda: requests("start", "end", audio=(True, True, True)),
            lambda: requests("start", "end", audio=(False, False)),
            lambda: requests("start", "end", audio=(True, False, True), cancels=True),
            lambda: requests(audio=(True, False, True)),
            lambda: requests("end", audio=(True, False, True), text="..."),
        ],
    ),
    (
        spoken_texts.some_texts_without_audio,
        lambda: closed_contexts("c0", "c2"),
        "that of frame 5 (c1), of which nothing came",
        [
            lambda: closed_contexts("c0", "c1", "c2"),
            lambda: closed_contexts("c0", "c2", cancels=True),
            lambda: closed_contexts("c0", "c2", every=2.0),
        ],
    ),
    (
        spoken_texts.unknown_speech_missing,
        lambda: unknown("/v1/tts", {"text": "Good morning."}),
        "1 text sent, from frame 1 on; no audio came",
        [
            lambda: unknown("/v1/tts", {"text": "Good morning."}, server=(spoken(0.5),)),
            lambda: unknown("/v1/tts", {"text": "Good morning."}, wait=2.0),
            lambda: unknown("/v1/chat", {"text": "Good morning."}),
            lambda: unknown("/v1/chat", {"text": "Good morning.", "voice": "a"}),
            lambda: unknown("/v1/tts", {"kind": "ping"}),
        ],
    ),
    (
        spoken_texts.words_unspoken,
        lambda: ssml("The parcel &amp; the <b>letter</b>.", "The", "parcel"),
        "9 of 20 letters were spoken",
        [
            lambda: ssml("The parcel.", "The", "parcel", "."),
            lambda: ssml("The parcel &amp; the letter.", "The", ended=False),
            lambda: ssml("The parcel &amp; the letter."),
        ],
    ),
    (
        spoken_texts.markdown_in_text,
        lambda: ssml("Open: **Monday** to Friday"),
        "has **Monday**",
        [
            lambda: ssml("2 * 3 = 6"),
            lambda: ssml("- I see, he said."),
            lambda: ssml("Write to [me]."),
            lambda: unknown("/chat", {"text": "**Now**"}, server=(spoken(0.5),)),
        ],
    ),
    (
        spoken_texts.markdown_in_text,
        lambda: text_with("\n- one\n- two\n"),
        "has - one",
        [],
    ),
    (
        spoken_texts.spoken_with_next_text,
        kept_back,
        "s after the text of frame 1; it came when the next text was sent (frame 2)",
        [
            lambda: kept_back(at_once=True),
            lambda: kept_back(every=1.0),
            lambda: kept_back(path="/chat"),
            lambda: kept_back(late=3.0),
        ],
    ),
    (
        spoken_texts.flush_waits,
        lambda: flushes(2.0, 2.0),
        "2 flushes long after the text: that in frame 2 came 2.0 s after frame 1",
        [
            lambda: flushes(0.1, 0.1),
            lambda: flushes(2.0, 0.1),
            lambda: flushes(2.0, 2.0, audio_first=True),
        ],
    ),
    (
        exchange.text_not_flushed,
        one_text,
        "no audio came after it",
        [lambda: one_text({"audio": b64(spoken(0.5))}, {"isFinal": True}, wait=0.5)],
    ),
    (
        received.received_split_samples,
        lambda: sized(3001),
        "no multiple of 2 bytes",
        [lambda: sized(3000), lambda: sized(3001, "&output_format=mp3_44100_128")],
    ),
]


@pytest.mark.parametrize("rule, faulty, text, near_misses", CASES)
def test_rule_finds_the_fault_and_not_its_near_misses(
    rule: Any, faulty: Build, text: str, near_misses: list[Build]
) -> None:
    [evidence, *_] = rule(SessionFacts(faulty(), CATALOG))
    assert text in evidence.text
    found = [rule(SessionFacts(near(), CATALOG)) for near in near_misses]
    assert found == [[] for _ in near_misses]


def test_spoken_texts_rules_each_have_a_case() -> None:
    assert {row[0] for row in CASES} >= {*spoken_texts.RULES}


def test_audio_next_to_a_kind_of_its_name_has_its_own_size_only() -> None:
    data = spoken(1)
    message = {"type": "audio", "audio": b64(data)}
    session = SpeechSession("gradium", "tts").app({"type": "text", "text": "Good morning."})
    [track] = session.server(message).close().audio.tracks(from_client=False)
    assert (track.size, track.head) == (len(data), data)
