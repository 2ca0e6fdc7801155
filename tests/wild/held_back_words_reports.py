"""Reports of speech to text that were searched out after the changes for those before."""

from __future__ import annotations

from bug_report import Report
from missing_event_reports import speech
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    append,
    b64,
    chunks,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    pcm,
    speechmatics,
    speechmatics_final,
)
from quiet_reports import PAUSE
from speechless_reports import SENTENCES
from wire_session import PYTHON, WireSession

XAI_KEY = {"Authorization": "Bearer xai-" + "Synthetic0" * 8}
NOT_FOUND = {"detail": "Not Found"}


def partial_transcripts(*, words: bool) -> WireSession:
    """A telephone app reads what it records piece by piece."""
    session = speechmatics().server({"message": "RecognitionStarted", "id": REQUEST_ID}, after=0.2)
    for number in range(6):
        session.stream(chunks(speech(number * 1.0, 1.0), 4096), 0.128)
        session.server({"message": "AudioAdded", "seq_no": number + 1})
        times = {"start_time": 0, "end_time": number + 1.0}
        text = "good morning" if words else ""
        metadata = {"metadata": times | {"transcript": text}, "results": []}
        session.server({"message": "AddPartialTranscript", "format": "2.9"} | metadata)
    session.app({"message": "EndOfStream", "last_seq_no": 6})
    session.server(speechmatics_final(HELLO if words else "", 0.0, 6.0), after=0.3)
    return session.server({"message": "EndOfTranscript"}).server_closes(1000)


def long_turn(*, complete: bool) -> WireSession:
    """A user speaks for 40 seconds, with pauses; the words of the first part are lost."""
    session = gemini_ready({"inputAudioTranscription": {}})
    for number in range(10):
        session.stream(chunks(speech(number * 3.0, 3.0), 3200), 0.1, gemini_audio)
        if complete or number >= 7:
            for word in SENTENCES[number % 3].split():
                session.server(gemini_content({"inputTranscription": {"text": f" {word}"}}))
        session.stream([PAUSE] * 10, 0.1, gemini_audio)
    return gemini_says(session.wait(0.5)).app_closes(1000, after=1.0)


def vosk_call(*, words: bool) -> WireSession:
    """A telephone exchange and a server of one's own: after 15 seconds, only empty results."""
    session = WireSession("ws://127.0.0.1:2700/", agent="Asterisk").accept()
    session.app({"config": {"sample_rate": 8000}})
    for second in range(40):
        data = speech(second * 1.0, 1.0, 8000)
        session.stream(chunks(data, 3200), 0.2)
        heard = words or second < 15
        text = SENTENCES[second % 3].lower() if heard else ""
        if second % 3 == 2 and heard:
            session.server({"text": text})
        else:
            session.server({"partial": text})
    session.app({"eof": 1}).server({"text": ""}, after=0.2)
    return session.app_closes(1000)


def xai_finals(*, twice: bool) -> WireSession:
    """Each utterance is final, and then final again with speech_final; the summary is empty."""
    url = "wss://api.x.ai/v1/stt?encoding=pcm&sample_rate=16000&interim_results=true"
    session = WireSession(url, XAI_KEY).accept()
    session.server({"type": "transcript.created", "id": REQUEST_ID})
    for number, sentence in enumerate(SENTENCES):
        session.stream(chunks(speech(number * 3.0, 3.0), 3200), 0.1)
        place = {"start": number * 4.0, "duration": 3.0, "words": [], "text": sentence}
        kind = {"type": "transcript.partial", "is_final": True}
        if twice:
            session.server(kind | place | {"speech_final": False})
        session.stream([PAUSE] * 10, 0.1)
        session.server(kind | place | {"speech_final": True})
    session.app({"type": "audio.done"})
    text = "" if twice else " ".join(SENTENCES)
    session.server({"type": "transcript.done", "text": text, "duration": 12.0}, after=0.2)
    return session.app_closes(1000)


def coze_transcription(lag: float) -> WireSession:
    """The longer one speaks, the later the text: it goes on coming after the end."""
    url = "wss://ws.coze.cn/v1/audio/transcriptions"
    session = WireSession(url, {"Authorization": "Bearer pat_" + "Synthetic0" * 4}).accept()
    session.server({"id": "1", "event_type": "transcriptions.created", "data": {}})
    audio = {"format": "pcm", "codec": "pcm", "sample_rate": 16000, "channel": 1, "bit_depth": 16}
    update = {"id": "2", "event_type": "transcriptions.update", "data": {"input_audio": audio}}
    session.app(update).server({"id": "3", "event_type": "transcriptions.updated", "data": {}})

    def send(data: bytes) -> Json:
        content = {"delta": b64(data)}
        return {"id": "4", "event_type": "input_audio_buffer.append", "data": content}

    texts: list[tuple[float, Json]] = []
    said = ""
    for number in range(20):
        said += f"Item {number} of {number * 7} is at place {number * 13}. "
        due = (number + 1) * 3.0 + lag * (number + 1) / 20
        kind = "transcriptions.message.update"
        texts.append((due, {"id": "5", "event_type": kind, "data": {"content": said}}))
        session.stream(chunks(speech(number * 3.0, 3.0), 3200), 0.1, send)
        while texts and texts[0][0] <= (number + 1) * 3.0 + 0.1:
            session.server(texts.pop(0)[1])
    session.app({"id": "6", "event_type": "input_audio_buffer.complete"})
    for _, message in texts:
        session.server(message, after=lag / max(len(texts), 1))
    session.server({"id": "7", "event_type": "transcriptions.message.completed"}, after=0.2)
    return session.app_closes(1000)


def grok_transcripts(*, partial: bool) -> WireSession:
    """An agent; the user's words grow in messages that other services send once."""
    session = WireSession("wss://api.x.ai/v1/realtime?model=grok-voice-latest", XAI_KEY).accept()
    session.server({"type": "session.created", "event_id": "event_1", "session": {"id": "sess_1"}})
    words = ["What", "is", "my", "name?", "What", "is", "your", "Wi-Fi?"]
    session.stream(chunks(pcm(3.0, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "item_id": "item_1"})
    kind = "conversation.item.input_audio_transcription.completed"
    for count in (2, 6, 8) if partial else (8,):
        status = "completed" if count == 8 else "in_progress"
        fields = {"item_id": "item_1", "content_index": 0, "status": status}
        session.server({"type": kind, "transcript": " ".join(words[:count])} | fields)
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    session.server({"type": "response.created", "response": {"id": "resp_1"}}, after=0.2)

    def delta(data: bytes) -> Json:
        ids = {"response_id": "resp_1", "item_id": "item_2"}
        return {"type": "response.output_audio.delta", "delta": b64(data)} | ids

    session.stream(chunks(pcm(1.5, 24_000), 4800), 0.02, delta, from_client=False)
    done: Json = {"id": "resp_1", "status": "completed", "output": [{"type": "message"}]}
    session.server({"type": "response.done", "response": done})
    return session.app_closes(1000, after=2.0)


def gateway_to_sarvam(*, known: bool) -> WireSession:
    url = "ws://localhost:4000/v1/realtime?model=sarvam-stt&intent=transcription"
    session = WireSession(url, {"Authorization": "Bearer sk-" + "Synthetic0" * 2}).accept()
    if not known:
        return session.server_closes(1011, "Unsupported model: saaras:v3-realtime", after=0.3)
    session.server({"type": "session.created", "session": {"type": "transcription"}})
    session.stream(chunks(pcm(3.0, 24_000), 4800), 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    kind = "conversation.item.input_audio_transcription.completed"
    session.server({"type": kind, "item_id": "item_1", "transcript": HELLO}, after=0.3)
    return session.app_closes(1000)


def route_of_a_gateway(path: str) -> WireSession:
    """A gateway that has no such route for WebSockets."""
    fields = {"Authorization": "Bearer sk-" + "Synthetic0" * 2}
    session = WireSession(f"wss://gateway.example.net{path}", fields, agent=PYTHON)
    if "dashscope" in path:
        server = {"Content-Type": "application/json", "Server": "uvicorn"}
        return session.refuse(404, "Not Found", NOT_FOUND, server)
    session.accept().server({"type": "session.created", "session": {"type": "transcription"}})
    session.stream(chunks(pcm(3.0, 24_000), 4800), 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    kind = "conversation.item.input_audio_transcription.completed"
    session.server({"type": kind, "item_id": "item_1", "transcript": HELLO}, after=0.3)
    return session.app_closes(1000)


def closed_before_the_text(*, text: bool) -> WireSession:
    """A server of one's own under load: the call is cut off in the middle of an utterance."""
    session = WireSession("ws://127.0.0.1:2700/", agent="Asterisk").accept()
    session.app({"config": {"sample_rate": 8000}})
    sound = pcm(6.0, 8000)
    for number, part in enumerate(chunks(sound, 16_000)):
        session.app(part, after=1.0).server({"partial": "good morning the parcel"[: 6 * number]})
    if not text:
        return session.server_closes(1000)
    session.app({"eof": 1}).server({"text": HELLO.lower()}, after=0.3)
    return session.server_closes(1000)


NEVER = ("credential", "audio is silent")

REPORTS = [
    Report(
        "sm-empty-partials",
        "missing result",
        "speechmatics/speechmatics-js-sdk#93",
        "Empty results object for AddPartialTranscript",
        "the transcripts are empty; the same audio is transcribed in a web page",
        "not known: for audible speech, every result is empty",
        lambda: partial_transcripts(words=False),
        ("empty|0 words|no words", "speech"),
        lambda: partial_transcripts(words=True),
        "the results have words",
        ("empty", "0 words"),
        NEVER,
    ),
    Report(
        "vosk-15-s",
        "missing result",
        "alphacep/vosk-asterisk#13",
        "Recognition is suspended 15 seconds after the start of work",
        "after 15 seconds, all partial results are empty",
        "no words come any more, although the caller speaks",
        lambda: vosk_call(words=False),
        ("stop|no (more|further|new) |empty", "words|result|transcript"),
        lambda: vosk_call(words=True),
        "words come to the end",
        ("stopped", "empty"),
        NEVER,
    ),
    Report(
        "xai-finals-twice",
        "twice",
        "vercel/ai#17070",
        "fix(xai): only emit transcript-final on speech_final and reconstruct empty finish text",
        "each utterance is there twice, and the text at the end is empty",
        "the same final result is repeated when the utterance ends",
        lambda: xai_finals(twice=True),
        ("again|twice|more than once",),
        lambda: xai_finals(twice=False),
        "each final result comes once",
        ("again", "twice", "more than once"),
        NEVER,
        complete=True,
    ),
    Report(
        "grok-partial-completed",
        "twice",
        "livekit/agents#6271",
        "xAI Realtime: in-progress input transcriptions are emitted as final",
        "one utterance becomes several messages of the user, each longer",
        "the service sends what it has so far as completed, with the status in_progress",
        lambda: grok_transcripts(partial=True),
        ("again|grow|in_progress|repeat|more than once|longer|interim",),
        lambda: grok_transcripts(partial=False),
        "one message has all words",
        ("again", "in_progress", "repeat", "more than once"),
        NEVER,
        complete=True,
    ),
    Report(
        "litellm-unsupported-model",
        "model",
        "BerriAI/litellm#42479",
        "feat(sarvam): add realtime speech to text on /v1/realtime",
        "the gateway closes the socket before any audio",
        "the gateway does not support this model for realtime",
        lambda: gateway_to_sarvam(known=False),
        ("Unsupported model",),
        lambda: gateway_to_sarvam(known=True),
        "the gateway knows the model",
        ("Unsupported",),
        ("credential", "overload"),
    ),
    Report(
        "cindy-no-route",
        "endpoint",
        "makecindy/cindy#497",
        "[Bug] 自定义语音输入错误复用模型访问地址导致实时识别失败",
        "404 although the gateway answers other requests",
        "the gateway has no route for this WebSocket",
        lambda: route_of_a_gateway("/dashscope/api-ws/v1/realtime?model=qwen3-asr-flash-realtime"),
        ("404", "path|route|address|URL|serve"),
        lambda: route_of_a_gateway("/openai/passthrough/v1/realtime?intent=transcription"),
        "a route that it has",
        ("404",),
        ("credential", "api key"),
    ),
    Report(
        "vosk-closes-early",
        "missing result",
        "alphacep/vosk-asterisk#53",
        "WebSocket Closure, Background Noise Interruption, and ASR Resource Management",
        "the server closes before the final text, without an error; the result is None",
        "the server closes in the middle of an utterance",
        lambda: closed_before_the_text(text=False),
        ("clos", "final|middle|before|while|last words|interim"),
        lambda: closed_before_the_text(text=True),
        "the final text comes first",
        ("before", "never became final"),
        NEVER,
    ),
]
"""Reports."""

UNSOLVED = [
    # The words state no places, and may come late: nothing shows which speech they are of.
    Report(
        "gem-beginning-lost",
        "missing result",
        "google-gemini/gemini-live-api-examples#26",
        "GEMINI LIVE API LOOSING TEXT ON LONG CONVERSATION",
        "of a long turn with pauses, only the last part is transcribed",
        "no words come for the first 28 s of what the user says",
        lambda: long_turn(complete=False),
        ("no (words|transcript)|without (words|transcript)|late|missing", "first|begin|start"),
        lambda: long_turn(complete=True),
        "words come for all of it",
        ("no words", "without words", "missing"),
        NEVER,
        complete=True,
    ),
    # The texts state no places: that they come after the end shows no growing delay.
    Report(
        "coze-text-lags",
        "latency",
        "coze-dev/coze-js#294",
        "Bug: 说的越多延迟越多",
        "the longer one speaks, the later the text; it goes on after the end",
        "the service falls behind: the last words come 40 s after the end of the audio",
        lambda: coze_transcription(40.0),
        ("late|behind|delay|lag|after the (end|last) ",),
        lambda: coze_transcription(0.0),
        "the text comes with the speech",
        ("late", "behind", "delay", "lag"),
        NEVER,
        complete=True,
    ),
]
"""What the messages do not show."""
