"""Ten reports about speech-to-text of kinds that had been dealt with before."""

from __future__ import annotations

from collections.abc import Iterable

from audio_samples import stereo
from bug_report import Report
from provider_sessions import (
    AZURE_KEY,
    HELLO,
    REQUEST_ID,
    Json,
    azure_audio,
    azure_message,
    chunks,
    deepgram,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
    watson_listening,
    watson_result,
    wav_header,
)
from reported_access import azure_transcribed, watson_good
from wire_session import BROWSER, Message, WireSession

NOVA_3 = "model=nova-3&punctuate=true&smart_format=true&interim_results=true&encoding=linear16"
KEYTERMS = f"{NOVA_3}&sample_rate=16000&channels=1&endpointing=50&keyterms=Gigaverse&keyterms=poll"
MULTI = f"{NOVA_3}&sample_rate=16000&channels=1&keyterm=Gigaverse&keyterm=poll&language=multi"
HEADER_TWICE = (
    "Header JSON already received. Now expected a sequence of blobs or an 'unready' event, but got "
    "'listen' event in state 'listening'."
)
NO_ARRAY = (
    "User Input Validation Error: Invalid 'keyterms_prompt': Value error, Invalid JSON array; "
    "Invalid 'keyterms_prompt': Value error, Invalid JSON array"
)
NO_WORD = b"Internal Server Error"
PING_TIMEOUT = "keepalive ping timeout"


def keyterms() -> WireSession:
    return deepgram_good(KEYTERMS)


def keyterm() -> WireSession:
    return deepgram_good(KEYTERMS.replace("keyterms", "keyterm"))


def keyterm_for_many_languages() -> WireSession:
    return deepgram(MULTI).refuse(400, "Bad Request")


def watson_started_twice() -> WireSession:
    session = watson_listening().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(watson_result("good morning "))
    start = {"action": "start", "contentType": "audio/l16; rate=16000", "grammar_name": "letters"}
    session.app(start).server({"error": HEADER_TWICE})
    return session.server_closes(1011, "see the previous message for the error details.")


def locale_with_underscore() -> WireSession:
    host = "japaneast.stt.speech.microsoft.com"
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=ja_JP&format=simple"
    session = WireSession(f"wss://{host}{path}", headers, agent="Java").accept()
    session.app(azure_message("speech.config", {"context": {}}))
    session.app(azure_audio(wav_header())).stream(chunks(pcm(0.3), 3200), 0.1, azure_audio)
    return session.server_closes(1007, "Unsupported locale: ja_JP.")


def assemblyai_terms(query: str) -> WireSession:
    url = f"wss://streaming.assemblyai.com/v3/ws?sample_rate=16000&{query}"
    return WireSession(url, {"Authorization": "0123456789abcdef" * 2}, agent="CFNetwork").accept()


def terms_one_by_one() -> WireSession:
    session = assemblyai_terms("keyterms_prompt=Gigaverse&keyterms_prompt=Copilot")
    session.server({"type": "Error", "error_code": 3006, "error": NO_ARRAY})
    return session.server_closes(3006, NO_ARRAY[:120])


def terms_in_an_array() -> WireSession:
    session = assemblyai_terms("keyterms_prompt=%5B%22Gigaverse%22%2C%22Copilot%22%5D")
    session.server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(pcm(3.0), 3200), 0.1)
    turn = {"type": "Turn", "turn_order": 0, "end_of_turn": True, "transcript": HELLO, "words": []}
    session.server(turn, after=0.3).app({"type": "Terminate"})
    session.server({"type": "Termination", "audio_duration_seconds": 3}, after=0.2)
    return session.server_closes(1000)


# -- servers of one's own


def whisper_live_kit(language: str) -> WireSession:
    return WireSession(f"ws://asr.example.net:8000/asr?language={language}", agent=BROWSER)


def language_of_no_model() -> WireSession:
    text = {"Content-Type": "text/plain; charset=utf-8", "Server": "uvicorn"}
    return whisper_live_kit("fr").refuse(500, "Internal Server Error", NO_WORD, text)


def language_of_the_model() -> WireSession:
    session = whisper_live_kit("zh").accept().server({"type": "config", "useAudioWorklet": True})
    line = {"speaker": 1, "text": HELLO, "start": "0:00:00", "end": "0:00:03"}
    session.stream(chunks(pcm(3.0), 3200), 0.1).app(b"")
    answer = {"status": "active_transcription", "lines": [line], "buffer_transcription": ""}
    session.server(answer, {"type": "ready_to_stop"}, after=0.3)
    return session.app_closes(1000)


def funasr(mode: str, sound: bytes, answers: Iterable[Json]) -> WireSession:
    session = WireSession("ws://127.0.0.1:10095/").accept()
    settings = {"mode": mode, "chunk_size": [5, 10, 5], "chunk_interval": 10, "wav_name": "demo"}
    session.app(settings | {"wav_format": "pcm", "audio_fs": 16000, "is_speaking": True})
    session.stream(chunks(sound, len(sound) // 60), 0.06).app({"is_speaking": False})
    session.server(*answers, after=0.4)
    return session.app_closes(1000, after=60.0 if not answers else 1.0)


def funasr_result(mode: str, text: str) -> Json:
    return {"mode": mode, "text": text, "wav_name": "demo", "is_final": False}


def nothing_at_the_end() -> WireSession:
    return funasr("offline", pcm(4.0), [])


def words_at_the_end() -> WireSession:
    return funasr("offline", pcm(4.0), [funasr_result("offline", HELLO)])


def two_channels_as_one() -> WireSession:
    sound = stereo(pcm(4.0), pcm(4.0))
    return funasr("2pass", sound, [funasr_result("2pass-offline", "uh oh oh hello")])


def one_channel() -> WireSession:
    return funasr("2pass", pcm(4.0), [funasr_result("2pass-offline", HELLO)])


def paddle(*, answers_pings: bool) -> WireSession:
    session = WireSession("ws://127.0.0.1:8090/paddlespeech/asr/streaming").accept()
    session.app({"name": "test.wav", "signal": "start", "nbest": 1})
    session.server({"status": "ok", "signal": "server_ready"})
    for part in chunks(pcm(8.0), 16_000):
        session.app(part, after=0.5).server({"result": "good morning"}, after=0.1)
    session.app({"name": "test.wav", "signal": "end", "nbest": 1})
    session.wait(15.0).ping(from_client=True, answered=answers_pings).wait(20.0)
    if not answers_pings:
        return session.app_goes(1011, PING_TIMEOUT)
    times = [{"w": "good", "bg": 0.1, "ed": 0.4}]
    session.server({"status": "ok", "signal": "finished", "result": HELLO, "times": times})
    return session.app_closes(1000)


def smallest(end: Json, answers: Iterable[Message], wait: float) -> WireSession:
    query = "language=en&encoding=linear16&sample_rate=16000&word_timestamps=false"
    headers = {"Authorization": "Bearer " + "Synthetic0" * 4}
    url = f"wss://api.smallest.ai/waves/v1/pulse/get_text?{query}"
    session = WireSession(url, headers).accept().stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(smallest_result("good morning", final=False)).app(end)
    session.server(*answers, after=0.3)
    return session.app_closes(1000, after=wait)


def smallest_result(text: str, *, final: bool, last: bool = False) -> Json:
    fields = {"session_id": REQUEST_ID, "transcript": text, "language": "en"}
    return fields | {"is_final": final, "is_last": last}


def only_finalized() -> WireSession:
    return smallest({"type": "finalize"}, [smallest_result(HELLO, final=True)], 60.0)


def stream_closed() -> WireSession:
    last = smallest_result("", final=True, last=True)
    return smallest({"type": "close_stream"}, [smallest_result(HELLO, final=True), last], 0.1)


def many_languages() -> WireSession:
    query = MULTI.replace("&keyterm=Gigaverse&keyterm=poll", "")
    session = listening(query).stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0)).app({"type": "CloseStream"})
    return session.server(deepgram_metadata(2.0)).server_closes(1000)


REPORTS = [
    Report(
        "dg-keyterms",
        "parameter",
        "deepgram/deepgram-python-sdk#506",
        "Keyterms is not effective in live streaming as it is in batch mode",
        "words come, but the key terms make no difference",
        "the parameter is `keyterm`: `keyterms` is ignored",
        keyterms,
        ("keyterms", "keyterm`|keyterm,|keyterm\\b"),
        keyterm,
        "the documented name",
        ("keyterm",),
        ("credential", "silen"),
        complete=True,
    ),
    Report(
        "dg-keyterm-multi",
        "parameter",
        "deepgram/deepgram-python-sdk#515",
        "`nova-3` with `language=multi` incompatible with `keyterm` parameters",
        "400 without a reason",
        "the model took no key terms together with `language=multi`",
        keyterm_for_many_languages,
        ("keyterm", "multi"),
        many_languages,
        "no key terms",
        ("400", "refus"),
        ("credential", "plan|quota"),
    ),
    Report(
        "ibm-start-twice",
        "order",
        "watson-developer-cloud/node-sdk#1065",
        '[speech-to-text] Change to a custom grammar gives: "Header JSON already received. …"',
        "an error, and the connection closes",
        "a second start while the first request still runs: it has to be stopped before",
        watson_started_twice,
        ("already received",),
        watson_good,
        "one start",
        ("already",),
        ("credential", "inactiv|timeout"),
    ),
    Report(
        "az-locale",
        "parameter",
        "CatalystCode/SpeechToText-WebSockets-Java#2",
        'fix for "Unsupported locale".',
        "closed with 1007",
        "a locale is written with a hyphen: ja-JP, and not ja_JP",
        locale_with_underscore,
        ("ja_JP", "locale|language"),
        azure_transcribed,
        "en-US",
        ("locale",),
        ("UTF-8", "audio (format|data)"),
    ),
    Report(
        "wlk-language",
        "server error",
        "QuentinFuxa/WhisperLiveKit#393",
        "Unsupported per-session language should close the session cleanly",
        "500",
        "the server does not know the language in the URL, and fails before it answers",
        language_of_no_model,
        ("500", "language=fr"),
        language_of_the_model,
        "a language that the server knows",
        ("500",),
        ("credential", "quota|your plan"),
    ),
    Report(
        "aai-terms-twice",
        "parameter",
        "crmitchelmore/justspeaktoit#416",
        "fix(mac): send AssemblyAI keyterms_prompt as JSON array",
        "closed with 3006",
        "key terms are one JSON array, and not a parameter for each",
        terms_one_by_one,
        ("keyterms_prompt", "JSON array"),
        terms_in_an_array,
        "a JSON array",
        ("keyterms_prompt",),
        ("credential", "too (fast|slow)"),
    ),
    Report(
        "funasr-no-flush",
        "missing result",
        "modelscope/FunASR#3438",
        "funasr_wss_server.py gives no transcript with --audio_in, and the client hangs",
        "no transcript at all",
        "the server does not recognise the rest of the audio when the app says that it has ended",
        nothing_at_the_end,
        ("no (transcript|result|words)|transcript",),
        words_at_the_end,
        "the transcript comes",
        ("no transcript", "no result"),
        ("credential", "sent no audio"),
    ),
    Report(
        "funasr-stereo",
        "audio",
        "modelscope/FunASR#2427",
        "websocket client funasr_wss_client.py: uploads give wrong results",
        "wrong words",
        "the samples have two channels, and the server reads one",
        two_channels_as_one,
        ("two channels|stereo|2 channels",),
        one_channel,
        "one channel",
        ("two channels", "stereo"),
        complete=True,
    ),
    Report(
        "smallest-finalize",
        "missing end",
        "livekit/agents#5562",
        "fix(smallestai): use close_stream signal to properly terminate STT session",
        "the app waits for a last result without end",
        "`finalize` gives the words of the audio so far; `close_stream` ends the session",
        only_finalized,
        ("finalize",),
        stream_closed,
        "close_stream",
        ("finalize",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "paddle-ping",
        "heartbeat",
        "PaddlePaddle/PaddleSpeech#2904",
        "websocket_client.py: keepalive timeout, the transfer is interrupted",
        "the client closes with 1011",
        "the server computes for longer than the client waits for the answer to its ping",
        lambda: paddle(answers_pings=False),
        ("ping", "answer|pong"),
        lambda: paddle(answers_pings=True),
        "the ping is answered",
        ("ping",),
        ("credential",),
    ),
]
