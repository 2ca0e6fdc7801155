"""Silent failures of speech-to-text, agents and calls, of kinds that people report often."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from call_quiet_reports import call, hangs_up, hiss, listens, mark, says
from elevenlabs_reports import agent, greets, user_speaks
from provider_sessions import (
    HELLO,
    LISTEN,
    Json,
    b64,
    chunks,
    deepgram,
    deepgram_metadata,
    deepgram_result,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    pcm,
    watson,
    watson_result,
)
from speech_further_reports import CLEAR, asks
from wire_session import BROWSER, Message, WireSession

ANSWER = "Of course. I can look that up for you."


# -- speech-to-text


def starved(*, every: float) -> WireSession:
    """Safari calls the audio callback less often than it should; what lies between is lost."""
    session = deepgram(LISTEN, agent=BROWSER).accept()
    step = round(every / 0.128)
    parts = list(chunks(pcm(20.0), 4096))[::step]
    for number, data in enumerate(parts):
        session.app(data, after=every)
        if number % 8 == 7:
            at = (number - 7) * 0.128
            session.server(deepgram_result("good parcel", at, 1.024))
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(len(parts) * 0.128)).server_closes(1000)


def interims(*, asked: bool) -> WireSession:
    """An app that shows the words while they are spoken."""
    session = watson().accept()
    start: Json = {"action": "start", "content-type": "audio/l16;rate=16000;channels=1"}
    session.app(start | ({"interim_results": True} if asked else {"inactivity_timeout": 2000}))
    session.server('{\n   "state": "listening"\n}')
    for number, data in enumerate(chunks(pcm(12.0), 3200)):
        session.app(data, after=0.1)
        if asked and number % 10 == 9:
            partial = {"transcript": "good morning ", "confidence": 0.5}
            results = [{"final": False, "alternatives": [partial]}]
            session.server({"result_index": 0, "results": results})
    session.app({"action": "stop"})
    session.server(watson_result(HELLO), after=0.6).server('{\n   "state": "listening"\n}')
    return session.app_closes(1000)


def speaches(*, twice: bool) -> WireSession:
    """A server of one's own answers audio with plain texts."""
    query = "model=Systran/faster-whisper-large-v3&language=en&response_format=json&temperature=0"
    session = WireSession(f"ws://10.0.0.9:8000/v1/audio/transcriptions?{query}").accept()
    session.stream(chunks(pcm(18.0), 3200), 0.05)
    first = "There is a problem. It responds twice when I ask one time."
    session.server({"text": first}, after=0.9)
    session.server({"text": first if twice else f"{first} I do not know why."}, after=0.2)
    return session.server_closes(1000)


def punctuated(name: str) -> WireSession:
    """The setting's name is that of an example."""
    on = name == "punctuate"
    session = deepgram(f"{LISTEN}&{name}=true").accept()
    plain = "good morning the parcel has not arrived yet could you please look into it"
    text = f"{HELLO} Could you please look into it?" if on else plain
    for number in range(2):
        session.stream(chunks(pcm(8.0)[number * 128_000 : (number + 1) * 128_000], 3200), 0.1)
        session.server(deepgram_result(text, number * 4.0, 4.0), after=0.2)
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(8.0)).server_closes(1000)


def word_gap(*, voice: bool) -> WireSession:
    """The caller hesitates: a drawn-out sound has no words, and is speech all the same."""
    query = f"{LISTEN}&endpointing=200&utterance_end_ms=1000&vad_events=true"
    session = deepgram(query).accept()
    rest = pcm(6.0)
    begin = 0.0
    for _ in range(3):
        session.stream(chunks(rest[:64_000], 3200), 0.1)
        session.server({"type": "SpeechStarted", "channel": [0, 1], "timestamp": begin})
        session.server(deepgram_result("so my number is", begin, 2.0, final=False))
        gap = rest[64_000:128_000] if voice else bytes(64_000)
        session.stream(chunks(gap[:38_400], 3200), 0.1)
        final = deepgram_result("so my number is", begin, 2.0) | {"speech_final": not voice}
        session.server(final)
        end = {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": begin + 0.8}
        session.server(end)
        session.stream(chunks(gap[38_400:], 3200), 0.1)
        session.stream(chunks(rest[128_000:], 3200), 0.1)
        session.server(deepgram_result("nine four two", begin + 4.0, 2.0))
        begin += 6.0
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(begin)).server_closes(1000)


# -- agents


def bursts(*, cut_up: bool) -> WireSession:
    """Speech from a chat room: each piece is followed by silence that is sent at once."""
    session = gemini_ready()
    if not cut_up:
        session.stream(chunks(pcm(4.0) + bytes(32_000), 640), 0.02, gemini_audio)
        return gemini_says(session.wait(0.4)).app_closes(1000, after=2.0)
    for piece in chunks(pcm(4.0), 16_000):
        session.stream(chunks(piece, 640), 0.02, gemini_audio)
        session.wait(0.2).stream(chunks(bytes(48_000), 640), 0.001, gemini_audio)
    return session.app_closes(1000, after=12.0)


def dropped_call(*, answers: bool) -> WireSession:
    """The framework is told to use no tools, and drops the function call that it receives."""
    session = gemini_ready().stream(chunks(pcm(2.0) + bytes(16_000), 3200), 0.1, gemini_audio)
    called = {"id": "function-call-1", "name": "look_up", "args": {"order": "7"}}
    session.server({"toolCall": {"functionCalls": [called]}}, after=0.4)
    if answers:
        result = {"id": "function-call-1", "name": "look_up", "response": {"state": "sent"}}
        session.app({"toolResponse": {"functionResponses": [result]}}, after=0.3)
        return gemini_says(session.wait(0.4)).app_closes(1000, after=2.0)
    for _ in range(3):
        session.stream(chunks(pcm(2.0) + bytes(64_000), 3200), 0.1, gemini_audio)
    return session.app_closes(1000, after=3.0)


def stream_end(*, early: bool) -> WireSession:
    """A muted microphone: after half a second of zeros, the app ends the stream of audio."""
    session = gemini_ready({"inputAudioTranscription": {}})
    for _ in range(2):
        session.stream(chunks(pcm(2.0) + bytes(16_000), 640), 0.02, gemini_audio)
        if early:
            session.app({"realtimeInput": {"audioStreamEnd": True}}).wait(9.0)
            continue
        session.stream(chunks(bytes(32_000), 640), 0.02, gemini_audio)
        session.server(gemini_content({"inputTranscription": {"text": HELLO}}))
        gemini_says(session)
        session.stream(chunks(bytes(32_000), 640), 0.02, gemini_audio)
    return session.app_closes(1000)


def phonic(*, quiet: bool) -> WireSession:
    """Audio of a call; the telephone service sends none while the caller is silent."""
    session = WireSession("wss://api.phonic.co/v1/sts/ws").accept()
    config = {"input_format": "mulaw_8000", "output_format": "mulaw_8000", "welcome_message": ""}
    session.app({"type": "config", **config})
    session.server({"type": "ready_to_start_conversation"}, after=0.1)

    def sent(data: bytes) -> Message:
        return {"type": "audio_chunk", "audio": b64(data)}

    for _ in range(3):
        session.stream(chunks(mulaw(pcm(2.0, 8000)), 320), 0.04, sent)
        if quiet:
            session.stream(chunks(mulaw(hiss(1.0)), 320), 0.04, sent)
            session.server({"type": "input_text", "text": HELLO})
            for data in chunks(mulaw(pcm(1.5, 8000)), 4000):
                session.server({"type": "audio_chunk", "audio": b64(data), "text": ANSWER})
            session.stream(chunks(mulaw(hiss(4.0)), 320), 0.04, sent)
        else:
            session.wait(7.0)
    return session.app_closes(1000)


def echoes(*, echo: bool) -> WireSession:
    """The speaker of the laptop plays into the microphone of the headset."""
    session = greets(agent())
    for _ in range(3):
        user_speaks(session, 800)
        said = {"user_transcript": HELLO.lower() if echo else "What are your opening hours?"}
        session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.2)
        greets(session).wait(2.0)
    return session.app_closes(1000)


# -- calls


def first_mark(*, returned: bool) -> WireSession:
    """The app waits for each of its checkpoints; the first was sent before any audio."""
    session = WireSession("wss://voice.example.com/plivo", agent="Plivo").accept()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000}
    start = {"callId": "c1", "streamId": "s1", "tracks": ["inbound"], "mediaFormat": form}
    session.app({"event": "start", "sequenceNumber": 0, "start": start})

    def inbound(data: bytes) -> Message:
        media = {"track": "inbound", "payload": b64(data)}
        return {"event": "media", "streamId": "s1", "media": media}

    def checkpoint(name: str) -> Json:
        return {"event": "checkpoint", "streamId": "s1", "name": name}

    def played(name: str) -> Json:
        return {"event": "playedStream", "streamId": "s1", "name": name}

    for turn in range(3):
        session.server(checkpoint(f"before-{turn}"))
        for data in chunks(mulaw(pcm(3.0, 8000)), 8000):
            audio = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": b64(data)}
            session.server({"event": "playAudio", "media": audio}, after=0.02)
        session.server(checkpoint(f"after-{turn}"))
        if returned or turn:
            session.app(played(f"before-{turn}"), after=0.05)
        session.stream(chunks(mulaw(hiss(3.2)), 160), 0.02, inbound)
        session.app(played(f"after-{turn}"))
        session.stream(chunks(mulaw(pcm(2.0, 8000)), 160), 0.02, inbound)
    if not returned:
        session.stream(chunks(mulaw(hiss(17.0)), 160), 0.02, inbound)
    return session.app({"event": "stop", "streamId": "s1"}).app_closes(1000)


def plays_on(*, clears: bool) -> WireSession:
    """The speech was synthesized and sent long ago; the telephone service still plays it."""
    session = listens(asks(call()), 0.5)
    listens(says(session, mulaw(pcm(10.0, 8000))).server(mark("turn-1")), 3.9)
    asks(session, 1.2)
    if clears:
        session.server(CLEAR).app(mark("turn-1"))
    listens(asks(session, 1.0), 0.6)
    says(session, mulaw(pcm(3.0, 8000))).server(mark("turn-2"))
    return hangs_up(listens(session, 10.0))


REPORTS = [
    Report(
        "dg-safari-starved",
        "pace",
        "SkillfulAgents/SuperAgent#996",
        "fix(stt): capture the microphone through an AudioWorklet",
        "only a word here and there is transcribed in one browser",
        "the audio callback of the browser is starved: four fifths of the audio are never sent",
        lambda: starved(every=0.64),
        ("of real time|less than one second|slow|per second", "miss|lost|never|drop|not sent|late"),
        lambda: starved(every=0.128),
        "all of the audio is sent",
        ("less than one second", "slow", "lost"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "gem-silence-bursts",
        "turn detection",
        "sonichi/sutando#1572",
        'fix(discord-voice): stop "no turn" hang from over-eager speech fragmentation',
        "the agent stays silent in the middle of the conversation",
        "the app puts a burst of digital silence after each piece of a sentence",
        lambda: bursts(cut_up=True),
        (
            "digital silence|zero|silence",
            "burst|at once|between|after each|in bursts|faster|insert",
        ),
        lambda: bursts(cut_up=False),
        "one piece, and one second of silence in real time",
        ("burst", "between pieces", "digital silence"),
        ("credential", "without silence"),
    ),
    Report(
        "ibm-interim-not-sent",
        "missing result",
        "watson-developer-cloud/java-sdk#1005",
        "[speech-to-text] Interim results set to true but seeing final results",
        "no interim results, although the app's options ask for them",
        "the library leaves interim_results out of the start message",
        lambda: interims(asked=False),
        ("interim",),
        lambda: interims(asked=True),
        "the start message has it",
        ("interim",),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "gem-call-not-run",
        "function call",
        "livekit/agents-js#2249",
        "toolChoice:'none' drops tool calls without emitting a functionResponse — permanently "
        "wedges mic input on Gemini Live",
        "the agent never answers again",
        "a function call was not answered; the service waits for its answer",
        lambda: dropped_call(answers=False),
        ("function|tool", "not answered|unanswered|no answer"),
        lambda: dropped_call(answers=True),
        "the call is answered",
        ("not answered",),
        ("credential", "no audio"),
    ),
    Report(
        "plivo-first-mark",
        "missing event",
        "bolna-ai/bolna#736",
        "Fix/welcome message pre ack",
        "calls end by a timeout in the middle of the goodbye",
        "the first checkpoint is never confirmed, and the app waits for it",
        lambda: first_mark(returned=False),
        ("checkpoint|playedStream|mark|before-0", "never|not|no "),
        lambda: first_mark(returned=True),
        "each checkpoint is confirmed",
        ("checkpoint", "before-0"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "gem-stream-ended-early",
        "turn detection",
        "openclaw/openclaw#152844",
        "fix(google): Gemini 3.8 Live never replies when the microphone sends digital-zero silence "
        "(audioStreamEnd stalls the turn)",
        "no reply, until the user speaks again",
        "the app ends the stream of audio after the speech; the turn detection needs silence",
        lambda: stream_end(early=True),
        ("audioStreamEnd|stop(s|ped)? (sending|of)|no (more )?audio|sent no audio|silence",),
        lambda: stream_end(early=False),
        "silence is sent until the answer",
        ("audioStreamEnd", "sent no audio", "no audio was sent"),
        ("credential",),
    ),
    Report(
        "speaches-twice",
        "repeated result",
        "speaches-ai/speaches#37",
        "# WebSocket Transcription Endpoint Returns Duplicate Transcriptions",
        "each transcript comes twice",
        "the server sends the same message twice",
        lambda: speaches(twice=True),
        ("twice|more than once|again|repeat|same",),
        lambda: speaches(twice=False),
        "the second message goes on",
        ("twice", "more than once"),
        ("credential",),
        complete=True,
    ),
    Report(
        "phonic-no-silence",
        "turn detection",
        "Phonic-Co/phonic-node#32",
        "Silent Audio Fallback for Twilio",
        "the agent does not answer in some calls",
        "no audio is sent while the caller is silent; the service needs an unbroken stream",
        lambda: phonic(quiet=False),
        ("silence|no (more )?audio|stop|pause|gap", "answer|turn|agent|service"),
        lambda: phonic(quiet=True),
        "silence is sent, too",
        ("stopped", "sent no audio", "no audio was sent"),
        ("credential",),
    ),
    Report(
        "dg-punctuation",
        "parameter",
        "tempo-riz/deepgram_speech_to_text#29",
        "Punctuate does not work",
        "the transcripts have no punctuation",
        "the setting has another name than the API's: punctuation in place of punctuate",
        lambda: punctuated("punctuation"),
        ("punctuation", "punctuate"),
        lambda: punctuated("punctuate"),
        "the API's name",
        ("misspell", "does not document"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "twilio-plays-on",
        "message order",
        "elizaOS/eliza#19407",
        "fix(cloud): flush buffered phone audio on barge-in",
        "old speech is played over the caller",
        "no clear message is sent, as the speech was complete for the app",
        lambda: plays_on(clears=False),
        ("clear",),
        lambda: plays_on(clears=True),
        "clear is sent",
        ("no clear", "without a clear"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "dg-word-gap",
        "turn detection",
        "bolna-ai/bolna#952",
        "fixed the utterance end issue",
        "the turn ends while the caller hesitates",
        "utterance_end_ms counts a gap between words, in which there is still a voice",
        lambda: word_gap(voice=True),
        ("UtteranceEnd|utterance_end_ms|end of (an|the) utterance", "speech|voice|spoke|speak"),
        lambda: word_gap(voice=False),
        "there is silence in the gap",
        ("UtteranceEnd", "utterance_end_ms"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "xi-agent-echo",
        "echo",
        "elevenlabs/elevenlabs-js#433",
        "Agent reacts to its own audio when input and ouput devices are differnet (Websocket , SDK "
        "v0.14.0)",
        "the agent talks to itself",
        "its own voice comes back from the loudspeaker",
        lambda: echoes(echo=True),
        ("own (words|voice)|itself|echo",),
        lambda: echoes(echo=False),
        "the user asks something else",
        ("itself", "echo", "own words"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""
