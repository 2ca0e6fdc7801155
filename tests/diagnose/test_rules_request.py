"""Parameters and settings that an API does not take, as causes of a request that was rejected."""

from __future__ import annotations

import json

import pytest

from audio_samples import CATALOG
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.finding import Finding
from wsproxy.diagnose.rules import request
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

FLUX = ("deepgram", "listen-v2", "/v2/listen?model=flux-general-en")
LISTEN = ("deepgram", "listen", "/v1/listen?model=nova-3")
SCRIBE = ("elevenlabs", "stt", "/v1/speech-to-text/realtime?model_id=scribe_v2_realtime")
SPEECHMATICS = ("speechmatics", "rt", "/v2")
WATSON = ("ibm", "stt", "/v1/recognize?x=y")
CONFIG = {"message": "StartRecognition", "transcription_config": {"language": "en"}}
STREAMING = {"message": "StartRecognition", "transcription_config": {"streaming_mode": True}}


def refused(api: tuple[str, str, str], query: str = "", status: int = 400) -> SessionFacts:
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(1, "GET", "wss", "h", 443, f"{api[2]}{query}"))
    session.add(Response(2, status, "Bad Request", body=b"", body_length=0))
    return SessionFacts(session, CATALOG)


def closed(
    api: tuple[str, str, str], sent: object, code: int = 1008, reason: str = "invalid_request"
) -> SessionFacts:
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(1, "GET", "wss", "h", 443, api[2]))
    session.add(Response(2, 101))
    session.add(FrameRecord(3, True, 1, json.dumps(sent).encode()))
    session.add(FrameRecord(4, False, 8, code.to_bytes(2, "big") + reason.encode()))
    return SessionFacts(session, CATALOG)


def texts(rule: Measure, facts: SessionFacts) -> list[str]:
    return [each.text for each in rule(facts)]


def first(facts: SessionFacts) -> Finding:
    return diagnose(facts.session, CATALOG)[0]


@pytest.mark.parametrize(
    ("api", "query", "said"),
    [
        (FLUX, "&eager_eot_threshold=0.8", "above eot_threshold, which is 0.7, its default"),
        (FLUX, "&eager_eot_threshold=0.8&eot_threshold=0.75", "eot_threshold, which is 0.75"),
        (FLUX, "&eot_timeout_ms=100", "eot_timeout_ms takes 500 to 10000"),
        (LISTEN, "&utterance_end_ms=999", "utterance_end_ms takes at least 1000"),
        (SCRIBE, "&language_code=en-US", "takes a language of ISO 639 without a region"),
    ],
)
def test_parameter_value_that_the_api_does_not_take_is_found(
    api: tuple[str, str, str], query: str, said: str
) -> None:
    [text] = texts(request.parameter_value, refused(api, query))
    assert said in text
    assert text in first(refused(api, query)).seen


@pytest.mark.parametrize(
    ("api", "query"),
    [
        (FLUX, "&eager_eot_threshold=0.8&eot_threshold=0.85"),
        (FLUX, "&eager_eot_threshold=auto&eot_timeout_ms=5000"),
        (LISTEN, "&utterance_end_ms=1000"),
        (SCRIBE, "&language_code=eng"),
        (SCRIBE, "&language_code="),
    ],
)
def test_parameter_value_that_the_api_takes_is_not_found(
    api: tuple[str, str, str], query: str
) -> None:
    assert texts(request.parameter_value, refused(api, query)) == []


def test_empty_parameter_is_found_among_others_of_its_name() -> None:
    facts = refused(FLUX, "&keyterm=&keyterm=Tidyhire")
    assert texts(request.empty_parameter, facts) == ["keyterm in the URL is empty"]
    assert texts(request.empty_parameter, refused(FLUX, "&keyterm=Tidyhire")) == []
    assert texts(request.empty_parameter, refused(FLUX, "&keyterm=", status=401)) == []


def test_undocumented_name_of_the_url_and_of_a_message_are_found() -> None:
    [text] = texts(request.undocumented_name, refused(SCRIBE, "&audio_fromat=pcm_8000"))
    assert text.startswith("audio_fromat=pcm_8000 in the URL is not documented by the API")
    assert text.endswith("the nearest is audio_format")
    [text] = texts(request.undocumented_name, closed(SPEECHMATICS, STREAMING))
    assert text == "transcription_config.streaming_mode (frame 1) is not documented by the API"
    assert texts(request.undocumented_name, closed(SPEECHMATICS, CONFIG)) == []


INVALID = "Invalid query parameter"


def closed_normally(api: tuple[str, str, str], *, message: object) -> SessionFacts:
    """The server sends a message, and closes with 1000."""
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(1, "GET", "wss", "h", 443, api[2]))
    session.add(Response(2, 101))
    session.add(FrameRecord(3, False, 1, json.dumps(message).encode()))
    session.add(FrameRecord(4, False, 8, (1000).to_bytes(2, "big")))
    return SessionFacts(session, CATALOG)


def test_parameter_is_found_where_an_error_message_precedes_a_normal_close() -> None:
    api = (*LISTEN[:2], f"{LISTEN[2]}&utterance_end_ms=999&mood=true")
    facts = closed_normally(api, message={"type": "Error", "description": INVALID})

    [value] = texts(request.parameter_value, facts)
    [name] = texts(request.undocumented_name, facts)
    assert "utterance_end_ms takes at least 1000" in value
    assert name.startswith("mood=true in the URL is not documented")
    assert first(facts).severity == "error"
    assert {value, name} <= set(first(facts).seen)


def test_parameter_of_a_session_without_an_error_message_is_not_found() -> None:
    api = (*LISTEN[:2], f"{LISTEN[2]}&utterance_end_ms=999&mood=true")
    facts = closed_normally(api, message={"type": "Metadata", "duration": 0.0})

    assert texts(request.parameter_value, facts) == []
    assert texts(request.undocumented_name, facts) == []


def accepted(query: str) -> SessionFacts:
    return closed((*LISTEN[:2], f"{LISTEN[2]}{query}"), {"type": "CloseStream"}, 1000, "")


def test_misspelled_name_of_an_accepted_session_is_found() -> None:
    [text] = texts(request.misspelled_name, accepted("&keyterms=poll&keyterms=poll"))
    assert text == "keyterms=poll in the URL is not documented by the API, which has keyterm"
    # A name that is like none may be new; a session that failed has its own cause.
    assert texts(request.misspelled_name, accepted("&keyterm=poll&mood=true")) == []
    assert texts(request.misspelled_name, refused(LISTEN, "&keyterms=poll")) == []


def test_name_with_the_stem_of_a_documented_one_is_found() -> None:
    [text] = texts(request.misspelled_name, accepted("&punctuation=true"))
    assert text == "punctuation=true in the URL is not documented by the API, which has punctuate"
    # Both of them are used: the other one is meant as it is.
    assert texts(request.misspelled_name, accepted("&punctuation=true&punctuate=true")) == []
    assert texts(request.misspelled_name, accepted("&languish=true")) == []


@pytest.mark.parametrize("value", ["%5B%27alpha%27%2C+%27bravo%27%5D", "alpha,bravo,charlie"])
def test_values_in_one_parameter_are_found_where_each_has_its_own(value: str) -> None:
    [text] = texts(request.values_in_one, accepted(f"&keyterm={value}"))
    assert text.endswith(" in the URL is one value with commas")
    assert text.startswith("keyterm=")


@pytest.mark.parametrize(
    "query", ["&keyterm=alpha&keyterm=bravo", "&keyterm=Good+morning,+Tom", "&tag=alpha,bravo"]
)
def test_values_of_which_each_has_its_own_parameter_are_not_found(query: str) -> None:
    assert texts(request.values_in_one, accepted(query)) == []


def test_belongs_in_url_is_found_where_the_url_has_another_value() -> None:
    facts = closed(WATSON, {"action": "start", "model": "ja-JP_Multimedia"}, 1000, "")
    [text] = texts(request.belongs_in_url, facts)
    assert text == (
        "model is ja-JP_Multimedia in frame 1; the API reads it in the URL only, which has no model"
    )
    same = (*WATSON[:2], "/v1/recognize?model=ja-JP_Multimedia")
    facts = closed(same, {"action": "start", "model": "ja-JP_Multimedia"}, 1000, "")
    assert texts(request.belongs_in_url, facts) == []


def test_request_cause_lists_the_parameters_of_a_refusal_without_a_reason() -> None:
    finding = first(refused(("azure_speech", "stt", "/speech/universal/v2"), "?language=en-za"))
    assert finding.evidence[0].text.endswith("the server says no more. The URL has: language=en-za")


def test_request_cause_lists_the_parameters_that_a_server_of_ones_own_failed_on() -> None:
    own = ("", "", "/asr?language=fr")
    assert first(refused(own, status=500)).evidence[0].text.endswith("has: language=fr")
    assert "language=fr" not in first(refused(own, status=502)).evidence[0].text


def test_request_cause_is_not_added_to_a_refusal_of_credentials() -> None:
    finding = first(refused(FLUX, "&eager_eot_threshold=0.8", status=401))
    assert not any("eager_eot_threshold" in cause for cause in finding.seen)


def test_request_cause_is_added_to_a_close_whose_reason_is_only_a_name() -> None:
    finding = first(closed(SPEECHMATICS, STREAMING, 1003, "protocol_error"))
    assert any("streaming_mode" in cause for cause in finding.seen)


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("?initialSilenceTimeoutMs=10", ["The URL sets this: initialSilenceTimeoutMs=10"]),
        ("?endSilenceTimeoutMs=10", []),
    ],
)
def test_setting_of_the_url_with_the_name_of_the_finding_is_its_cause(
    query: str, seen: list[str]
) -> None:
    path = f"/speech/recognition/conversation/cognitiveservices/v1{query}"
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider="azure_speech", api="stt"))
    session.add(Request(1, "GET", "wss", "h", 443, path))
    session.add(Response(2, 101))
    phrase = '{"RecognitionStatus": "InitialSilenceTimeout", "Offset": 0, "Duration": 100000}'
    session.add(FrameRecord(3, False, 1, f"Path: speech.phrase\r\n\r\n{phrase}".encode()))
    finding = diagnose(session, CATALOG)[0]
    assert finding.id == "azure_speech.stt.InitialSilenceTimeout"
    assert finding.seen == seen
    assert finding.retry == ("fix-first" if seen else "maybe")


LONG = "Aurelian " * 12


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"&keyterm=Kyu&keyterm={LONG.strip()}", ["has 107 characters; keyterm takes 100"]),
        ("&keyterm=Kyu&keyterm=Aurelian", []),
    ],
)
def test_parameter_value_that_is_too_long_is_found_in_each_of_its_places(
    query: str, said: list[str]
) -> None:
    found = texts(request.parameter_value, refused(FLUX, query.replace(" ", "%20")))
    assert [text for text, part in zip(found, said, strict=True) if part in text] == found


@pytest.mark.parametrize(
    ("model", "rate", "found"),
    [
        ("en-US_BroadbandModel", 8000, 1),
        ("en-US_NarrowbandModel", 8000, 0),
        ("en-US_BroadbandModel", 16_000, 0),
    ],
)
def test_rate_below_that_of_the_model_is_found(model: str, rate: int, found: int) -> None:
    api = (*WATSON[:2], f"/v1/recognize?model={model}")
    start = {"action": "start", "content-type": f"audio/l16;rate={rate}"}
    facts = closed(api, start, 1011, "")
    assert len(request.rate_below_model(facts)) == found
    for text in texts(request.rate_below_model, facts):
        assert text.endswith("needs audio of at least 16000 Hz; declared: 8000 Hz")


STREAM = ("assemblyai", "streaming", "/v3/ws?sample_rate=16000")


@pytest.mark.parametrize(
    ("api", "query", "said"),
    [
        (STREAM, "&prompt=Names+first", "only; the URL has no speech_model"),
        (STREAM, "&prompt=Names&speech_model=universal-streaming-english", "universal-streaming-e"),
        (STREAM, "&prompt=Names&speech_model=u3-rt-pro", ""),
        (STREAM, "&speech_model=universal-streaming-english", ""),
        (
            LISTEN,
            "&keywords=TCP:2",
            "keywords=TCP:2 in the URL is not documented with model=nova-3",
        ),
        (("deepgram", "listen", "/v1/listen?model=nova-2"), "&keywords=TCP:2", ""),
        (
            LISTEN,
            "&utterance_end_ms=1000",
            "with interim_results=true only; the URL has no interim",
        ),
        (LISTEN, "&utterance_end_ms=1000&interim_results=True", ""),
    ],
)
def test_parameter_apart_is_found_where_the_documents_have_it_with_others(
    api: tuple[str, str, str], query: str, said: str
) -> None:
    found = texts(request.parameter_apart, refused(api, query))
    assert len(found) == bool(said)
    assert all(said in text for text in found)


def test_parameter_apart_is_a_cause_of_a_refusal_without_a_reason() -> None:
    assert any("not documented with" in each for each in first(refused(LISTEN, "&keywords=a")).seen)
    assert not any("not documented" in each for each in first(refused(LISTEN, "&keyterm=a")).seen)


@pytest.mark.parametrize(
    "query, name, found",
    [
        (
            "?model_id=m",
            "output_format",
            ["output_format: pcm_24000; the URL has no output_format"],
        ),
        (
            "?model_id=m",
            "Output_Format",
            ["Output_Format: pcm_24000; the URL has no Output_Format"],
        ),
        ("?output_format=pcm_16000", "output_format", []),
        ("?model_id=m", "X-Format", []),
    ],
)
def test_belongs_in_url_is_found_where_a_header_has_it(
    query: str, name: str, found: list[str]
) -> None:
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider="elevenlabs", api="tts"))
    path = f"/v1/text-to-speech/v/stream-input{query}"
    session.add(Request(1, "GET", "wss", "h", 443, path, headers=[[name, "pcm_24000"]]))
    session.add(Response(2, 101))
    said = texts(request.belongs_in_url, SessionFacts(session, CATALOG))
    assert said == [f"the request has a header {each}" for each in found]


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("undefined.tts.speech.microsoft.com", "undefined"),
        ("api-none.example.com", "none"),
        ("westeurope.tts.speech.microsoft.com", ""),
        ("nullable.example.com", ""),
    ],
)
def test_printed_host_is_a_part_that_was_not_filled_in(host: str, part: str) -> None:
    session = Session.analyzing(CATALOG)
    session.add(Request(1, "GET", "wss", host, 443, "/"))
    found = texts(request.printed_host, SessionFacts(session, CATALOG))
    said = f"{part} in {host} is what a program prints for a missing value"
    assert found == ([said] if part else [])
