"""Reports about audio: its format, its carrier, silence, and transcripts that stay empty."""

from __future__ import annotations

from array import array

from audio_samples import mulaw
from bug_report import Report
from provider_sessions import (
    append,
    aws_audio,
    aws_exception,
    aws_transcript,
    azure_audio,
    azure_listening,
    azure_phrase,
    b64,
    chunks,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    listening,
    openai,
    pcm,
    response_done,
    sent_as,
    session_event,
    speechmatics,
    transcribe,
    watson_listening,
    wav_header,
)
from reported_access import azure_end, azure_transcribed, speechmatics_good, watson_good
from wire_session import WireSession
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog.envelope import wrap

NO_SPEECH = '{\n   "error": "No speech detected for 30s."\n}'
SEE_BEFORE = "see the previous message for the error details."
NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. "
    "See https://dpgr.am/net0001"
)
NOT_JSON = "Received a message that is not valid JSON"


def pcm_undeclared() -> WireSession:
    query = "model=nova-2-general&language=en-US&filler_words=false&punctuation=true"
    session = listening(query).stream(chunks(pcm(4.0), 3200), 0.1)
    session.app({"type": "CloseStream"}).server(deepgram_metadata(0.0), after=0.1)
    return session.server_closes(1000)


def two_speakers(seconds: float) -> bytes:
    """Left and right, interleaved: a call with a speaker on each channel."""
    left = array("h", speech(seconds, 8000, seed=1))
    right = array("h", speech(seconds, 8000, seed=2))
    return array("h", (s for pair in zip(left, right, strict=True) for s in pair)).tobytes()


def stereo_as_mono() -> WireSession:
    session = azure_listening(wav_header(8000))
    session.stream(chunks(two_speakers(5.0), 3200), 0.1, azure_audio)
    session.app(azure_audio(b"")).server(azure_phrase("NoMatch"), after=0.2)
    return session.server(azure_end()).app_closes(1000)


def telephone_as_wideband() -> WireSession:
    session = azure_listening(wav_header(16_000))
    session.stream(chunks(pcm(5.0, 8000), 1600), 0.1, azure_audio)
    session.app(azure_audio(b"")).server(azure_phrase("NoMatch"), after=0.2)
    return session.server(azure_end()).app_closes(1000)


def aws_without_headers() -> WireSession:
    """The event has none of the headers that say what it is."""
    session = transcribe()
    session.app(wrap("event-stream", "{}", pcm(0.1)), after=0.1)
    session.server(aws_exception("BadRequestException", "Unexpected WebSocket frame received."))
    return session.server_closes(1000)


def aws_good() -> WireSession:
    session = transcribe().stream(chunks(pcm(2.0), 3200), 0.1, aws_audio)
    session.app(aws_audio(b"")).server(aws_transcript("Good morning."), after=0.2)
    return session.server_closes(1000)


def aws_no_audio() -> WireSession:
    session = transcribe().stream(chunks(pcm(2.0), 3200), 0.1, aws_audio)
    text = "Your request timed out because no new audio was received for 15 seconds."
    session.server(aws_exception("BadRequestException", text), after=15.0)
    return session.server_closes(1000)


def audio_as_empty_objects() -> WireSession:
    session = listening().stream(chunks(pcm(3.0), 3200), 0.1, sent_as("empty-object"))
    return session.server_closes(1011, NET_0001, after=10.0)


def audio_as_blob() -> WireSession:
    session = speechmatics().server({"message": "RecognitionStarted", "id": "1"}, after=0.1)
    session.stream(chunks(pcm(0.5), 3200), 0.1, sent_as("object-blob"))
    fault = {"message": "Error", "type": "invalid_message", "reason": NOT_JSON}
    return session.server(fault).server_closes(1003, "invalid_message")


def audio_as_buffer_json() -> WireSession:
    session = listening().stream(chunks(pcm(2.0), 640), 0.02, sent_as("buffer-json"))
    return session.server_closes(1011, NET_0001, after=10.0)


def phone_session() -> WireSession:
    fields = {
        "modalities": ["text", "audio"],
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "voice": "alloy",
    }
    session = openai(headers={"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(session_event("session.created", {}))
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    session.stream(chunks(mulaw(pcm(2.0, 8000)), 160), 0.02, append)
    return session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})


def phone_answer(audio: bytes) -> WireSession:
    session = phone_session()
    session.stream(
        chunks(audio, 4000),
        0.02,
        lambda data: {"type": "response.audio.delta", "response_id": "resp_1", "delta": b64(data)},
        from_client=False,
    )
    session.server({"type": "response.audio_transcript.done", "transcript": "Good morning."})
    return session.server(response_done("completed")).app_closes(1000, after=2.0)


def watson_muted() -> WireSession:
    session = watson_listening().stream(chunks(bytes(32_000 * 30), 32_000), 1.0)
    return session.server(NO_SPEECH).server_closes(1011, SEE_BEFORE)


def watson_no_data() -> WireSession:
    session = watson_listening(-1).stream(chunks(pcm(2.0), 3200), 0.1)
    session.server('{\n   "error": "Session timed out."\n}', after=30.0)
    return session.server_closes(1011, SEE_BEFORE)


def vietnamese_in_nova_3() -> WireSession:
    query = "model=nova-3&language=vi&encoding=linear16&sample_rate=16000&interim_results=true"
    session = listening(query)
    for second in range(6):
        session.stream(chunks(pcm(6.0)[second * 32_000 : (second + 1) * 32_000], 3200), 0.1)
        session.server(deepgram_result("", float(second), 1.0, final=True))
    session.app({"type": "CloseStream"}).server(deepgram_metadata(6.0), after=0.1)
    return session.server_closes(1000)


EDGE = (
    "wss://speech.platform.bing.com/consumer/speech/synthesize/readaloud/edge/v1"
    "?TrustedClientToken=synthetic-token"
)


def edge_message(path: str, content: str) -> str:
    head = f"X-RequestId:0a0a\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}"
    return f"{head}\r\n\r\n{content}"


def edge_asks() -> WireSession:
    """The app asks for speech."""
    session = WireSession(EDGE).accept()
    session.app(edge_message("speech.config", '{"context": {"synthesis": {"audio": {}}}}'))
    session.app(
        "X-RequestId:0a0a\r\nContent-Type:application/ssml+xml\r\nPath:ssml\r\n\r\n"
        "<speak version='1.0' xml:lang='en-US'><voice name='en-US-EmmaNeural'>Good morning."
        "</voice></speak>"
    )
    return session.server(edge_message("turn.start", '{"context": {}}'), after=0.1)


def edge_without_audio() -> WireSession:
    session = edge_asks().server(edge_message("audio.metadata", '{"Metadata": []}'))
    return session.server(edge_message("turn.end", "{}")).app_closes(1000, after=0.1)


def edge_good() -> WireSession:
    session = edge_asks()
    session.stream(chunks(pcm(1.0), 3200), 0.01, azure_audio, from_client=False)
    return session.server(edge_message("turn.end", "{}")).app_closes(1000, after=0.1)


NO_AUDIO_LATER = r"started its audio source|opened the stream and started"

REPORTS = [
    Report(
        "dg-raw-undeclared",
        "format",
        "tempo-riz/deepgram_speech_to_text#7",
        "Live transcriber is only returning metadata",
        "the only message is Metadata with a duration of 0",
        "raw samples are sent, and neither `encoding` nor `sample_rate` is given",
        pcm_undeclared,
        ("encoding|sample rate|sample_rate|raw|headerless",),
        deepgram_good,
        "the same audio, declared",
        ("encoding", "undeclared"),
        ("no audio was sent", NO_AUDIO_LATER),
    ),
    Report(
        "az-stereo-as-mono",
        "channels",
        "iMicknl/azure-genesys-audiohook#10",
        "Stereo audio cannot be transcribed correctly",
        "mono calls are transcribed, stereo ones are not",
        "two interleaved channels are sent, and one is declared",
        stereo_as_mono,
        ("stereo|two channels|2 channels|number of channels|interleaved",),
        azure_transcribed,
        "one channel, declared as one",
        ("stereo", "channels"),
        ("pace a file", "faster than the API takes"),
    ),
    Report(
        "az-8k-as-16k",
        "sample rate",
        "Azure-Samples/Cognitive-Speech-STT-Windows#47",
        "The demo application is not processing entire file",
        "the text does not match the audio, or stays empty",
        "the samples are at 8 kHz, and 16 kHz is declared",
        telephone_as_wideband,
        (r"8 ?kHz|8,?000|8\.0 kHz",),
        azure_transcribed,
        "samples at the declared rate",
        (r"\b8 ?kHz", "8000 Hz"),
        ("slower than the API", "network"),
    ),
    Report(
        "aws-frame-without-headers",
        "carrier",
        "awsdocs/amazon-transcribe-developer-guide#14",
        "Unexpected Web Socket Frame Received",
        "an exception for the first message with audio",
        "the message is no AudioEvent: its event-stream headers are missing",
        aws_without_headers,
        ("unexpected websocket frame|AudioEvent|event-stream",),
        aws_no_audio,
        "the same exception for another reason",
        ("unexpected websocket frame",),
        ("no audio was received for 15",),
    ),
    Report(
        "dg-empty-objects",
        "carrier",
        "upstash/jstack#33",
        "Binary Data Not Supported in WebSocket",
        "the receiver gets no audio",
        "binary data goes through JSON.stringify, which makes empty objects of it",
        audio_as_empty_objects,
        (r"no audio|\{\}|JSON|text message",),
        deepgram_good,
        "the same audio in binary messages",
        ("no audio", "JSON"),
        (NO_AUDIO_LATER,),
    ),
    Report(
        "sm-object-blob",
        "carrier",
        "speechmatics/speechmatics-js-sdk#3",
        "Allow Blob to be passed directly when sending audio buffer",
        "a Blob can be sent in a browser and not in Node",
        "in Node, the text `[object Blob]` is sent in place of the audio",
        audio_as_blob,
        (r"\[object Blob\]",),
        speechmatics_good,
        "the same audio in binary messages",
        ("Blob",),
        (NO_AUDIO_LATER,),
    ),
    Report(
        "dg-buffer-json",
        "carrier",
        "watson-developer-cloud/node-sdk#811",
        "Can I really send a buffer to Watson Speech to Text?",
        "the service closes and says that no audio came",
        "a Node Buffer is sent as its JSON form, a list of numbers",
        audio_as_buffer_json,
        ("buffer|JSON", "binary|text|JSON"),
        deepgram_good,
        "the same audio in binary messages",
        ("buffer", "JSON"),
        (NO_AUDIO_LATER,),
    ),
    Report(
        "oai-pcm-for-ulaw",
        "format",
        "PatterAI/Patter#154",
        "Twilio + OpenAI Realtime g711_ulaw produces garbled/static audio on all models",
        "callers hear noise when the agent speaks",
        "the server sends 16-bit samples at 24 kHz, although µ-law was agreed",
        lambda: phone_answer(pcm(1.5, 24_000)),
        (r"pcm|16-bit|linear16", r"µ-law|mu-law|ulaw|mulaw"),
        lambda: phone_answer(mulaw(pcm(1.5, 8000))),
        "µ-law, as agreed",
        ("16-bit PCM",),
    ),
    Report(
        "ibm-muted",
        "silence",
        "watson-developer-cloud/node-sdk#271",
        "inactivity_timeout parameter does not override the 30 second timeout",
        "no more results after the microphone was muted and unmuted",
        "30 seconds of silence reach the inactivity timeout",
        watson_muted,
        ("no speech detected|silence|silent|zeros",),
        watson_no_data,
        "the app sends nothing for 30 seconds",
        ("no speech", "digital silence", "zeros"),
        ("unexpected condition", "internal error"),
    ),
    Report(
        "dg-vietnamese-nova-3",
        "language",
        "ngoanpv/DeepInterview#26",
        "Vietnamese STT: route non-English languages to Deepgram nova-2",
        "the agent keeps listening; nothing is ever transcribed",
        "the model gives no words for this language",
        vietnamese_in_nova_3,
        ("0 words|no words|empty|no transcript|without a transcript",),
        deepgram_good,
        "speech in the language of the model",
        ("0 words", "no words", "empty"),
    ),
    Report(
        "edge-no-audio",
        "missing result",
        "rany2/edge-tts#474",
        "include WebSocket message types in NoAudioReceived diagnostic",
        "the client reports that no audio was received",
        "the service starts and ends the turn without any audio",
        edge_without_audio,
        ("no audio|0 (bytes|s) of audio|without audio",),
        edge_good,
        "the same turn with audio",
        ("no audio",),
    ),
    Report(
        "ibm-no-data",
        "timeout",
        "watson-developer-cloud/java-sdk#689",
        "[Speech-to-text] Websocket remains open after inputstream is closed",
        "a session timeout, 30 seconds after the audio",
        "the app sends nothing more and does not end the stream",
        watson_no_data,
        ("session timed out",),
        watson_good,
        "the app stops the recognition",
        ("timed out",),
        ("unexpected condition", "internal error"),
    ),
    Report(
        "aws-15s",
        "timeout",
        "awslabs/amazon-transcribe-streaming-sdk#118",
        "Your request timed out because no new audio was received for 15 seconds",
        "an exception whenever the caller pauses",
        "the source sends nothing during silence; 15 seconds without audio end the stream",
        aws_no_audio,
        ("no (new )?audio", "15"),
        aws_good,
        "audio without a pause",
        ("no new audio", "timed out"),
    ),
]
