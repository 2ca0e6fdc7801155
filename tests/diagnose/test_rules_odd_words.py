"""Words that came and are odd: again, unsure, in another script, at other times, not as asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audio_samples import stereo, wav
from speech_sessions import CATALOG, OPENAI_APPEND, SpeechSession, dg_result, spoken
from wsproxy.catalog.envelope import wrap
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.rules import odd_words, places, promises
from wsproxy.diagnose.scripts import main_script, scripts_of
from wsproxy.session import Session
from wsproxy.session.requested_model import requested_languages

LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
FINAL = "conversation.item.input_audio_transcription.completed"
SCRIBE_AUDIO = '{"message_type": "input_audio_chunk", "audio_base_64": "{audio}"}'


def listen(query: str = "") -> SpeechSession:
    return SpeechSession("deepgram", "listen", LISTEN + query)


def result(text: str, start: float, duration: float = 2.0, **changes: Any) -> dict[str, Any]:
    """A final result that ends an utterance; the changes are of its words."""
    content: dict[str, Any] = json.loads(dg_result(text, start=start, duration=duration))
    words = [{"word": word, "confidence": 0.9} | changes for word in text.split()]
    content["channel"]["alternatives"][0]["words"] = words
    return content | {"speech_final": True}


def results(query: str, text: str = "good morning all", **changes: Any) -> Session:
    """Four utterances, each with a result."""
    talk = listen(query)
    for number in range(4):
        talk.speak(2).server(result(text, number * 2.0, **changes))
    return talk.close()


def paused(query: str, *, ends: bool, seconds: float = 9.0, **changes: Any) -> Session:
    """Words, and then silence; the utterance ends, or it does not."""
    talk = listen(query).speak(2).server(result("good morning", 0.0) | changes)
    talk.speak(2, quiet=True)
    if ends:
        talk.server({"type": "UtteranceEnd", "last_word_end": 1.8})
    return talk.speak(seconds - 2, quiet=True).close()


def items(*names: str) -> Session:
    talk = SpeechSession("openai", "realtime", "/v1/realtime?intent=transcription")
    for name in names:
        talk.speak(2, template=OPENAI_APPEND)
        talk.server({"type": FINAL, "item_id": name, "transcript": "Good morning."})
    return talk.close()


def places_again(*starts: float) -> Session:
    talk = listen().speak(8)
    return talk.server(*(result("good morning", start) for start in starts)).close()


def one_word(text: str, query: str = "") -> Session:
    """Results of a server of one's own."""
    talk = SpeechSession("", "", f"/asr{query}")
    return talk.speak(4).server({"text": text}).speak(4).server({"text": text}).close()


def two_sides(query: str, channels: int, correlated: bool = False) -> Session:
    talk = listen(f"&channels=2{query}")
    left = spoken(6.0)
    right = left if correlated else spoken(16.0)[len(spoken(10.0)) :]
    data = stereo(left, right)
    for at in range(0, len(data), 12_800):
        talk.app(data[at : at + 12_800]).wait(0.2)
    for number in range(3):
        for channel in range(channels):
            content = result("good morning", number * 2.0) | {"channel_index": [channel, channels]}
            talk.server(content)
    return talk.close()


def markers(shift: float, count: int = 4) -> Session:
    """Words of one second each, in silence; their times are shifted."""
    talk = listen()
    for number in range(count):
        talk.speak(1).speak(2, quiet=True)
        content = result("alpha bravo charlie", number * 3.0, 3.0)
        for at, word in enumerate(content["channel"]["alternatives"][0]["words"]):
            start = number * 3.0 + shift + at / 3
            word.update(start=start, end=start + 0.3)
        talk.server(content)
    return talk.close()


def short_answers(heard: int) -> Session:
    talk = SpeechSession("assemblyai", "realtime-v2", "/v2/realtime/ws?sample_rate=16000")
    for number in range(3):
        talk.speak(0.7, template='{"audio_data": "{audio}"}')
        talk.speak(4.3, quiet=True, template='{"audio_data": "{audio}"}')
        if number < heard:
            times = {"audio_start": number * 5000, "audio_end": number * 5000 + 700}
            talk.server({"message_type": "FinalTranscript", "text": "Yes.", **times})
    return talk.close()


def said_twice(text: str, count: int = 3) -> Session:
    talk = listen()
    for number in range(count):
        talk.speak(2).server(result(text, number * 2.0))
    return talk.close()


def half_heard(seconds: float, turns: int = 1) -> Session:
    """Words up to some place in 40 s of speech, then the end of the turn; perhaps another turn."""
    talk = SpeechSession("azure_speech", "stt")
    for turn in range(turns):
        talk.server({"Path": "turn.start", "context": turn})
        data = spoken(40.0)
        for at in range(0, len(data), 32_000):
            talk.app(wrap("azure", '{"Path": "audio"}', data[at : at + 32_000])).wait(0.2)
        fields = {"Path": "speech.phrase", "RecognitionStatus": "Success", "DisplayText": "Good."}
        talk.server(fields | {"Offset": 0, "Duration": int(seconds * 1e7)}, {"Path": "turn.end"})
    return talk.close()


def own_server(*texts: str) -> Session:
    talk = SpeechSession(None, None, "/asr?language=en").app({"sample_rate": 16000}).speak(4)
    return talk.server(*({"text": text} for text in texts)).close()


def translated(*texts: str) -> Session:
    talk = SpeechSession("azure_speech", "stt")
    for number, text in enumerate(texts):
        fields = {"Path": "translation.phrase", "RecognitionStatus": "Success", "Text": "Good."}
        listed = [{"Language": "de", "Text": text}, {"Language": "fr", "Text": ""}]
        times = {"Offset": number * 10**7, "Duration": 10**7, "DisplayText": "Good."}
        for at in range(0, 32_000, 3200):
            talk.app(wrap("azure", '{"Path": "audio"}', spoken(1)[at : at + 3200])).wait(0.099)
        talk.server(fields | times | {"Translation": {"Translations": listed}})
    return talk.close()


FAULTS: list[tuple[str, Session, str, Session]] = [
    (
        "translations-empty",
        translated("", "Gut.", ""),
        "the translations of 2 of 3 results with words are empty (from frame 11 on)",
        translated("Gut.", "", "Gut."),
    ),
    (
        "results-twice",
        own_server("It comes twice to me.", "It comes twice to me."),
        "It comes twice to me. (frame 42) came again in frame 43",
        own_server("It comes twice to me.", "It comes twice to me. Why?"),
    ),
    (
        "not-as-asked",
        results("&diarize=true"),
        "diarize=true asks for a speaker for each word; none came with 4 final results",
        results("&diarize=true", speaker=0),
    ),
    (
        "not-as-asked",
        results("&vad_events=true"),
        "vad_events=true asks for SpeechStarted",
        results("&vad_events=false"),
    ),
    (
        "not-as-asked",
        results("&punctuate=true", "good morning all of you here"),
        "punctuate=true asks for punctuation marks; none came with 4 final results",
        results("&punctuate=true", "Good morning, all of you here."),
    ),
    (
        "not-as-asked",
        results("&smart_format=true", "good morning all of you here"),
        "smart_format=true asks for",
        results("&smart_format=true", "good morning all"),
    ),
    (
        "end-not-reported",
        paused("&utterance_end_ms=1000", ends=False),
        "utterance_end_ms=1000 asks for UtteranceEnd; it did not come in 9.0 s of audio without "
        "words after frame 21",
        paused("&utterance_end_ms=1000", ends=True),
    ),
    (
        "end-not-reported",
        paused("", ends=False, speech_final=False),
        "the API sends speech_final",
        paused("&endpointing=false", ends=False, speech_final=False),
    ),
    (
        "end-not-reported",
        paused("", ends=False, speech_final=False),
        "9.0 s",
        paused("", ends=False, seconds=6.0, speech_final=False),
    ),
    (
        "duplicate-results",
        items("item_1", "item_1", "item_1"),
        "the final result in frame 21 came again in frame 42, with the same words and the same "
        "item_id; 2 results came again",
        items("item_1", "item_2", "item_3"),
    ),
    (
        "duplicate-results",
        places_again(0.0, 2.0, 0.0),
        "with the same words and the same place in the audio",
        places_again(0.0, 2.0, 4.0),
    ),
    (
        "doubled",
        said_twice("Where is it now? Where is it now?"),
        "3 of 3 final results hold the same words twice: Where is it now? Where is it now?",
        said_twice("Yes, yes."),
    ),
    (
        "doubled",
        said_twice("Where is it now? Where is it now?", 2),
        "2 of 2",
        said_twice("Where is it now? Where is it now?", 1),
    ),
    (
        "end-early",
        half_heard(20.0),
        "the last words end at 20.0 s of the audio (frame 42), and 1",
        half_heard(38.0),
    ),
    ("end-early", half_heard(20.0), "were sent after that place", half_heard(20.0, turns=2)),
    (
        "unsure",
        results("", confidence=0.3),
        "12 final words have a mean confidence of 0.30; no language is set",
        results("", confidence=0.8),
    ),
    (
        "unsure",
        results("&language=fr", confidence=0.3),
        "0.30; the language is set to fr",
        results("&language=fr", confidence=0.6),
    ),
    (
        "other-script",
        results("&language=en-US", "где моя посылка"),
        "the language is set to en-US, and 4 results are in Cyrillic letters: где моя посылка",
        results("&language=ru", "где моя посылка"),
    ),
    (
        "other-script",
        results("&language=ja", "안녕하세요 여러분"),
        "are in Korean letters",
        results("&language=multi", "안녕하세요 여러분"),
    ),
    (
        "one-word",
        one_word("the the the the"),
        "all 8 final words are the; no parameter and no message declares the format of the audio",
        one_word("the the the they"),
    ),
    (
        "one-word",
        one_word("the the the the"),
        "all 8",
        one_word("the the the the", "?encoding=linear16&sample_rate=16000"),
    ),
    (
        "channels-mixed",
        two_sides("", 1),
        "2 channels with different audio were sent",
        two_sides("&multichannel=true", 2),
    ),
    ("channels-mixed", two_sides("", 1), "name no channel", two_sides("", 1, correlated=True)),
    (
        "times-in-silence",
        markers(1.2),
        "12 words in 4 results have times at which the audio is digital silence: alpha at 1.20 s",
        markers(0.0),
    ),
    ("times-in-silence", markers(1.2), "0.00 to", markers(0.2)),
    (
        "utterances-lost",
        short_answers(1),
        "2 short utterances of 3 sounds like speech have no words: 1.",
        short_answers(3),
    ),
]
FAULTS[-2] = (*FAULTS[-2][:2], "is in the silence from 1.", FAULTS[-2][3])


@pytest.mark.parametrize(("name", "faulty", "text", "good"), FAULTS)
def test_finding_about_odd_words_is_first_and_good_session_has_none(
    name: str, faulty: Session, text: str, good: Session
) -> None:
    findings = diagnose(faulty, CATALOG)
    assert findings[0].id == f"traffic.words.{name}"
    assert text in findings[0].evidence[0].text
    assert f"traffic.words.{name}" not in [finding.id for finding in diagnose(good, CATALOG)]


def test_rules_of_odd_words_are_all_tested() -> None:
    tested = {f"traffic.words.{name}" for name, *_ in FAULTS}
    conditions = {c.id for c in CATALOG.conditions_of("traffic") if ".words." in c.id}
    assert tested == conditions
    rules = [*odd_words.RULES, *places.RULES, *promises.RULES]
    # `language_unset` and `words_of_silence` are causes; `words_restated` and `words_of_noise` are
    # notices.
    assert len(rules) - 4 == len(conditions)


def test_words_that_came_again_are_counted_once() -> None:
    timeline = items("item_1", "item_1", "item_2").timeline
    assert timeline is not None and timeline.transcript.words == 4


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Good morning", "Latin"),
        ("café où", "Latin"),
        ("где посылка", "Cyrillic"),
        ("OK да", ""),  # too few letters
        ("मेरा parcel कहाँ", "Devanagari"),
        ("今日は", "Chinese or Japanese"),
        ("12 45", ""),
    ],
)
def test_main_script(text: str, script: str) -> None:
    assert main_script(text) == script


def test_scripts_of_unknown_language_are_unknown() -> None:
    assert scripts_of("multi") is None
    assert scripts_of("sr-Latn") == frozenset(("Cyrillic", "Latin"))


@pytest.mark.parametrize(
    ("query", "setup", "languages"),
    [
        ("language=en&language=es", {}, ["en", "es"]),
        ("language-options=en-US,de-DE", {}, ["en-US", "de-DE"]),
        ("detect_language=true", {}, ["true"]),
        ("model=x", {"language_hints": ["en", "he"]}, ["en", "he"]),
        ("model=x", {"a": {"detect_language": True}}, ["true"]),
        ("model=x", {"language_hints": ["en"], "enable_language_identification": True}, ["en"]),
        ("model=x", {"a": {"b": {"c": {"d": {"language": "de"}}}}}, ["de"]),
        ("model=x", {"translation": {"target": "fr"}}, ["fr"]),
        ("model=x", {"text": "language"}, []),
    ],
)
def test_requested_languages_are_all_of_them(
    query: str, setup: dict[str, Any], languages: list[str]
) -> None:
    talk = SpeechSession("soniox", "stt", f"/transcribe-websocket?{query}")
    assert requested_languages(talk.app(setup).close()) == languages


def test_audio_of_a_wav_file_with_two_channels_is_compared_as_well() -> None:
    data = wav(stereo(spoken(6.0), spoken(16.0)[len(spoken(10.0)) :]), 16_000, channels=2)
    talk = SpeechSession("deepgram", "listen", "/v1/listen?model=nova-2")
    for at in range(0, len(data), 12_800):
        talk.app(data[at : at + 12_800]).wait(0.2)
    talk.server(result("good morning", 0.0), result("good morning", 2.0))
    found = [finding.id for finding in diagnose(talk.close(), CATALOG)]
    assert "traffic.words.channels-mixed" in found


def test_words_of_silence_are_a_cause_of_words_in_another_script() -> None:
    def committed(*, quiet: bool) -> list[str]:
        talk = SpeechSession("openai", "realtime", "/v1/realtime?intent=transcription")
        talk.app({"type": "session.update", "session": {"language": "en"}})
        talk.speak(3, quiet=quiet, template=OPENAI_APPEND)
        talk.server({"type": FINAL, "item_id": "item_1", "transcript": "ご視聴ありがとう"})
        finding = diagnose(talk.close(), CATALOG)[0]
        assert finding.id == "traffic.words.other-script"
        return list(finding.seen)

    assert len(committed(quiet=True)) == 1
    assert "2.0 s of audio had been sent, all of it digital silence" in committed(quiet=True)[0]
    assert committed(quiet=False) == []
