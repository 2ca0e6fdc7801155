"""What is lawful and surprises: a notice, on the first screen of a session without an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from agent_form_reports import first_words
from audio_form_reports import header_in_each_chunk
from audio_samples import wav
from bug_report import explanations
from deepgram_reports import speaking
from dictation_reports import mime_without_rate
from held_back_realtime_reports import answers_in, instructs_one_answer
from late_agent_reports import half_duplex
from odd_result_reports import cut_up, dictated
from provider_sessions import (
    HELLO,
    Json,
    answered,
    append,
    azure_audio,
    azure_listening,
    azure_message,
    b64,
    cartesia_says,
    cartesia_text,
    cartesia_tts,
    chunks,
    pcm,
    realtime,
    response_done,
)
from quiet_reports import azure_offsets, speechmatics_forced
from silent_held_reports import two_finals, whisperlive
from silent_kind_reports import interims, word_gap
from speech_unseen_reports import cartesia_chunk, held_for_more, word_by_word
from speechless_reports import voxtral_turns, xai_utterance
from talking_agent_reports import app_cancels, ends_while_it_plays, never_set
from wire_session import WireSession

pytestmark = pytest.mark.one_python

SPANISH = "El paquete todavía no ha llegado y no sé dónde está."

NOTICES = {
    "header-in-audio": header_in_each_chunk,
    "rate-not-named": mime_without_rate,
    "text-requested": lambda: first_words(modalities=["text"]),
    "times-from-zero": lambda: azure_offsets(0.0),
    "text-held": lambda: held_for_more(delay=None),
    "words-apart": lambda: word_by_word(apart=True),
    "forced-end": lambda: speechmatics_forced(3.1),
    "own-instructions": lambda: instructs_one_answer(whole=False),
    "app-cancelled": lambda: app_cancels(cancels=True),
    "default-instructions": lambda: never_set(sets=False),
    "closed-before-played": lambda: ends_while_it_plays(waits=0.1),
    "half-duplex": lambda: half_duplex(streams=False),
    "other-language": lambda: answers_in("en", "es", "en", "es"),
    "words-restated": lambda: xai_utterance(restated=True),
    "short-pause": lambda: cut_up("&endpointing=10", "my mom", "has ordered", "a parcel"),
    "words-of-noise": lambda: whisperlive(speaks=False),
    "ended-in-sound": lambda: word_gap(voice=True),
    "interims-not-asked": lambda: interims(asked=False),
    "languages-mixed": lambda: dictated((HELLO, HELLO, SPANISH), language=False),
}


def found(session: WireSession, folder: Path) -> tuple[list[str], str, str]:
    """The ids of its notices, its outcome, and the screen."""
    explained, shown = explanations(session.write(folder / "session.wstrace"))
    notices = [each["id"] for each in explained["findings"] if each["severity"] == "notice"]
    return notices, str(explained["outcome"]), shown


@pytest.mark.parametrize("name", NOTICES)
def test_notice_is_on_the_first_screen_and_changes_no_outcome(name: str, tmp_path: Path) -> None:
    make: Callable[[], WireSession] = NOTICES[name]

    notices, outcome, shown = found(make(), tmp_path)

    assert notices == [f"traffic.notice.{name}"]
    assert outcome == "succeeded"
    assert "no problems found, 1 notice." in shown
    assert "\nnotice: " in shown
    assert "Retry" not in shown


def test_notice_of_a_session_that_failed_is_left_out(tmp_path: Path) -> None:
    session = mime_without_rate()
    session.events = [event for event in session.events if event.at < 4.0]
    session.now = 4.0
    session.server_closes(1011, "Internal error occurred.")

    notices, outcome, shown = found(session, tmp_path)

    assert (notices, outcome) == (["traffic.notice.rate-not-named"], "failed")
    assert "notice" not in shown


def test_header_of_the_first_message_alone_is_a_notice(tmp_path: Path) -> None:
    session = inworld([wav(pcm(0.4, 24_000), 24_000), *chunks(pcm(1.2, 24_000), 9600)])

    notices, _, shown = found(session, tmp_path)

    assert notices == ["traffic.notice.header-in-audio"]
    assert "the first audio message begins with a WAV header" in shown


def test_audio_without_headers_is_no_notice(tmp_path: Path) -> None:
    assert found(inworld(chunks(pcm(1.2, 24_000), 9600)), tmp_path)[0] == []


def test_header_of_wav_that_was_asked_for_is_no_notice(tmp_path: Path) -> None:
    parts = [wav(each, 24_000) for each in chunks(pcm(1.2, 24_000), 9600)]

    assert found(inworld(parts, "WAV"), tmp_path)[0] == []


def inworld(parts: Iterable[bytes], encoding: str = "LINEAR16") -> WireSession:
    url = "wss://api.inworld.ai/tts/v1/voice:streamBidirectional"
    session = WireSession(url, {"Authorization": "Basic " + "U3ludGhldGlj" * 4}).accept()
    config = {"audioEncoding": encoding, "sampleRateHertz": 24000}
    session.app({"context_id": "c", "create": {"voiceId": "Ashley", "audioConfig": config}})
    session.app({"context_id": "c", "send_text": {"text": HELLO, "flush_context": {}}})
    for data in parts:
        content = {"contextId": "c", "audioChunk": {"audioContent": b64(data)}}
        session.server({"result": content})
    session.server({"result": {"contextId": "c", "flushCompleted": {}}})
    return session.app_closes(1000, after=1.0)


def test_answer_in_text_beside_spoken_ones_is_no_notice(tmp_path: Path) -> None:
    session = realtime().stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    answered(session).server(response_done("completed"))
    request = {"output_modalities": ["text"], "conversation": "none"}
    session.app({"type": "response.create", "response": request}, after=0.3)
    created = {"object": "realtime.response", "id": "resp_2", "output_modalities": ["text"]}
    session.server({"type": "response.created", "response": created})
    session.server({"type": "response.output_text.done", "response_id": "resp_2", "text": "{}"})
    session.server(response_done("completed")).app_closes(1000, after=1.0)

    assert found(session, tmp_path)[0] == []


def phrases(between: Callable[[WireSession], object], *starts: float) -> WireSession:
    """Phrases of Azure with these offsets; before the last one something happens."""
    session = azure_listening()
    for number, start in enumerate(starts, 1):
        if number == len(starts):
            between(session)
        session.stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
        fields = {"RecognitionStatus": "Success", "DisplayText": HELLO, "Duration": 18_000_000}
        content = fields | {"Offset": round(start * 1e7)}
        session.server(azure_message("speech.phrase", content), after=0.3)
    session.app(azure_audio(b"")).server(azure_message("turn.end", {}), after=0.1)
    return session.app_closes(1000)


def test_phrase_that_a_default_pause_cuts_is_a_notice(tmp_path: Path) -> None:
    notices, _, shown = found(two_finals(cut=True), tmp_path)

    assert notices == ["traffic.notice.short-pause"]
    assert "endpointing is not set" in shown


def test_times_from_zero_within_a_turn_are_a_notice(tmp_path: Path) -> None:
    assert found(phrases(lambda _: None, 0.1, 2.2, 4.3, 0.0), tmp_path)[0] != []


def test_times_from_zero_of_another_turn_are_no_notice(tmp_path: Path) -> None:
    def new_turn(session: WireSession) -> None:
        session.server(azure_message("turn.end", {})).app(azure_message("speech.context", {}))

    assert found(phrases(new_turn, 0.1, 2.2, 4.3, 0.0), tmp_path)[0] == []


def test_times_that_each_begin_at_zero_are_no_notice(tmp_path: Path) -> None:
    assert found(phrases(lambda _: None, 0.0, 0.0, 0.0, 0.0), tmp_path)[0] == []


def test_instructions_of_an_answer_outside_the_conversation_are_no_notice(tmp_path: Path) -> None:
    session = realtime().stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    answered(session).server(response_done("completed"))
    request = {"instructions": "Sum up the call.", "conversation": "none"}
    session.app({"type": "response.create", "response": request}, after=0.3)
    answered(session).server(response_done("completed")).app_closes(1000, after=1.0)

    assert found(session, tmp_path)[0] == []


def cartesia(*messages: tuple[float, Json], audio_after: float) -> WireSession:
    """Texts of one context, each after seconds; then its audio."""
    session = cartesia_tts().accept()
    for after, fields in messages:
        session.app(cartesia_text("turn-1") | fields, after=after)
    session.wait(audio_after)
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server(cartesia_chunk("turn-1", data))
    session.app(cartesia_text("turn-1") | {"transcript": "", "continue": False}, after=0.1)
    session.server({"type": "done", "context_id": "turn-1", "done": True, "status_code": 200})
    return session.app_closes(1000, after=2.0)


@pytest.mark.parametrize("audio_after", [0.3, 1.5, 5.0])
def test_text_that_is_spoken_at_another_time_than_the_limit_is_no_notice(
    audio_after: float, tmp_path: Path
) -> None:
    session = cartesia((0.0, {"continue": True}), audio_after=audio_after)

    assert found(session, tmp_path)[0] == []


@pytest.mark.parametrize(
    ("instructions", "question"),
    [
        ("Speak the language of the user.", "Where is the parcel that I ordered?"),
        ("Eres la voz de la tienda, y tu tarea es ayudar a los clientes con sus pedidos.", ""),
        ("Be brief.", "Can you say that in Spanish, please, so that my father understands it?"),
        ("Be brief.", "\u00bfD\u00f3nde est\u00e1 el paquete que ya pagu\u00e9 hace una semana?"),
    ],
    ids=["instructions", "example", "asked", "two languages"],
)
def test_other_language_that_was_asked_for_is_no_notice(
    instructions: str, question: str, tmp_path: Path
) -> None:
    session = answers_in("en", "es", "en", "es", instructions=instructions, question=question)

    assert found(session, tmp_path)[0] == []


def test_end_that_the_app_asked_for_before_all_was_played_is_no_notice(tmp_path: Path) -> None:
    url = "wss://agents.assemblyai.com/v1/ws"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 4}).accept()
    session.server({"type": "session.ready", "session_id": "s"})
    session.server({"type": "reply.started", "reply_id": "r"}, after=0.2)
    for data in chunks(pcm(3.0, 24_000), 9600):
        session.server({"type": "reply.audio", "data": b64(data)})
    session.server({"type": "reply.done", "reply_id": "r", "status": "completed"})
    session.app({"type": "session.end"}).server_closes(1000, after=0.1)

    assert found(session, tmp_path)[0] == []


def test_one_answer_in_another_language_is_no_notice(tmp_path: Path) -> None:
    assert found(answers_in("en", "es", "en"), tmp_path)[0] == []


@pytest.mark.parametrize("query", ["&endpointing=300", ""])
def test_long_pause_and_default_are_no_notice(query: str, tmp_path: Path) -> None:
    assert found(cut_up(query, "my mom", "has ordered", "a parcel"), tmp_path)[0] == []


def test_languages_of_which_one_is_set_are_no_notice(tmp_path: Path) -> None:
    assert found(dictated((HELLO, SPANISH)), tmp_path)[0] == []


def test_name_in_another_language_is_no_notice(tmp_path: Path) -> None:
    texts = (HELLO, "Where is the Calle de la Paz?", "Bonjour!")

    assert found(dictated(texts, language=False), tmp_path)[0] == []


@pytest.mark.parametrize("session", [voxtral_turns(), dictated((HELLO, HELLO))])
def test_words_that_are_said_again_are_no_notice(session: WireSession, tmp_path: Path) -> None:
    assert found(session, tmp_path)[0] == []


def test_text_that_is_followed_by_more_is_no_notice(tmp_path: Path) -> None:
    more = {"continue": True, "transcript": " And more."}
    session = cartesia((0.0, {"continue": True}), (1.5, more), audio_after=1.55)

    assert found(session, tmp_path)[0] == []


def test_text_that_is_held_as_long_as_the_app_asks_is_a_notice(tmp_path: Path) -> None:
    held = {"continue": True, "max_buffer_delay_ms": 1500}
    notices, _, shown = found(cartesia((0.0, held), audio_after=1.6), tmp_path)

    assert notices == ["traffic.notice.text-held"]
    assert "max_buffer_delay_ms is 1500" in shown
    assert "default" not in shown.partition("causes")[0]


@pytest.mark.parametrize(
    "texts",
    [
        ["Yes.", "No.", "Maybe.", "Later.", "Never.", "Always."],  # sentences
        ["apple", "pear", "plum", "cherry", "fig"],  # a list of words
        ["One of them", "has three words", "or a few", "in each part", "of the text."],
    ],
)
def test_short_texts_that_make_no_sentence_are_no_notice(texts: list[str], tmp_path: Path) -> None:
    session = cartesia_tts().accept()
    for number, text in enumerate(texts):
        session.app(cartesia_text(f"turn-{number}") | {"transcript": text}, after=0.1)
        cartesia_says(session, f"turn-{number}")
    session.app_closes(1000, after=2.0)

    assert found(session, tmp_path)[0] == []


def test_words_that_are_flushed_one_by_one_are_a_notice(tmp_path: Path) -> None:
    session = speaking()
    for word in HELLO.split():
        session.app({"type": "Speak", "text": f"{word} "}, {"type": "Flush"}, after=0.05)
        session.stream(chunks(pcm(0.4, 24_000), 9600), 0.01, from_client=False)
        session.server({"type": "Flushed", "sequence_id": 0})
    session.app({"type": "Close"}, after=1.0).server_closes(1000)

    assert found(session, tmp_path)[0] == ["traffic.notice.words-apart"]


@pytest.mark.parametrize(
    ("text", "seconds", "found_it"),
    [
        ("The word clinic is spelled C-L-I-N-I-C.", 1.5, True),
        ("The word clinic is spelled C-L-I-N-I-C.", 2.2, False),
        ("The word clinic is spelled like this one.", 0.9, False),
        ("It is a well-known, state-of-the-art one.", 0.9, False),
        ("Call 5-5-5-0-1-9-9, please.", 1.0, True),
    ],
)
def test_speech_that_is_too_short_for_spelled_letters_is_found(
    text: str, seconds: float, found_it: bool, tmp_path: Path
) -> None:
    session = speaking().app({"type": "Speak", "text": text}, {"type": "Flush"})
    session.stream(chunks(pcm(seconds, 24_000), 9600), 0.02, from_client=False)
    session.server({"type": "Flushed", "sequence_id": 0})
    session.app({"type": "Close"}, after=4.0).server_closes(1000)

    explained, _ = explanations(session.write(tmp_path / "session.wstrace"))

    ids = [each["id"] for each in explained["findings"]]
    assert ("traffic.speech.spelling-cut-short" in ids) is found_it
