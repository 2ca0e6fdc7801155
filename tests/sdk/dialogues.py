"""Good sessions of SDKs with a simulated API, all at once: dialogues.py URL AUDIO NAME...

URL is ws://host:port; NAME@HOST talks to wss://HOST instead. AUDIO is a WAV file with 16-bit
samples at 16 kHz, one channel. Each session gives one line of the output: a JSON object with its
name, and what the SDK reported.
"""

import asyncio
import base64
import importlib
import json
import sys
import threading
import time
import traceback
import wave
from array import array

CHUNK = 3200  # bytes: 100 ms
PACE = 0.1  # seconds for a chunk
PATIENCE = 40  # seconds
printing = threading.Lock()


def chunks(path):
    with wave.open(path, "rb") as file:
        data = file.readframes(file.getnframes())
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def at_24_khz(chunk):
    """Every second sample twice: this is heard as speech all the same."""
    samples = array("h", chunk)
    return b"".join(samples[at : at + 2].tobytes() + samples[at + 1 : at + 2].tobytes()
                    for at in range(0, len(samples), 2))  # fmt: skip


async def openai_realtime(url, path):
    from openai import AsyncOpenAI

    client = AsyncOpenAI(
        api_key="key", base_url=url.replace("ws", "http", 1) + "/v1", websocket_base_url=url + "/v1"
    )
    events, transcript, spoken = [], "", 0
    async with client.realtime.connect(model="gpt-realtime") as session:
        events.append((await session.recv()).type)  # before anything is sent
        await session.session.update(session={"type": "realtime", "instructions": "Be brief."})

        async def send():
            for chunk in chunks(path):
                await session.input_audio_buffer.append(
                    audio=base64.b64encode(at_24_khz(chunk)).decode()
                )
                await asyncio.sleep(PACE)

        sending = asyncio.create_task(send())
        async for event in session:
            events.append(event.type)
            if event.type == "conversation.item.input_audio_transcription.completed":
                transcript = event.transcript
            if event.type == "response.output_audio.delta":
                spoken += len(base64.b64decode(event.delta))
            if event.type == "response.done":
                break
        sending.cancel()
    return {"events": events, "transcript": transcript, "spoken": spoken}


async def elevenlabs_agent(url, path):
    from elevenlabs.client import ElevenLabs
    from elevenlabs.conversational_ai.conversation import AudioInterface, Conversation

    heard, said, spoken = [], [], []
    done = threading.Event()

    class Audio(AudioInterface):
        def start(self, input_callback):
            def send():
                for chunk in chunks(path):
                    input_callback(chunk)
                    time.sleep(PACE)

            threading.Thread(target=send, daemon=True).start()

        def stop(self):
            pass

        def output(self, audio):
            spoken.append(len(audio))
            if heard:
                done.set()

        def interrupt(self):
            pass

    client = ElevenLabs(api_key="key", base_url=url.replace("ws", "http", 1))
    conversation = Conversation(
        client,
        "agent",
        requires_auth=False,
        audio_interface=Audio(),
        callback_agent_response=said.append,
        callback_user_transcript=heard.append,
    )
    conversation.start_session()
    await asyncio.to_thread(done.wait, 15)
    conversation.end_session()
    return {
        "transcript": " ".join(heard),
        "answer": said,
        "spoken": sum(spoken),
        "id": conversation._conversation_id,
    }


async def elevenlabs_tts(url, path):
    from elevenlabs.client import ElevenLabs

    client = ElevenLabs(api_key="key")
    client.text_to_speech._ws_base_url = url  # otherwise it is wss:// always

    def run():
        text = iter(["Good morning. ", "How are you today? "])
        return [
            *client.text_to_speech.convert_realtime(
                voice_id="voice", text=text, model_id="eleven_flash_v2_5", output_format="pcm_16000"
            )
        ]

    return {"spoken": sum(map(len, await asyncio.to_thread(run)))}


async def cartesia_tts(url, path):
    from cartesia import AsyncCartesia

    client = AsyncCartesia(
        api_key="key", base_url=url.replace("ws", "http", 1), websocket_base_url=url
    )
    spoken, ids = 0, set()
    async with client.tts.websocket_connect() as session:
        context = session.context(
            model_id="sonic-3",
            voice={"mode": "id", "id": "voice"},
            output_format={"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
        )
        await context.send(
            model_id="sonic-3",
            transcript="Good morning, how are you?",
            continue_=True,
            voice={"mode": "id", "id": "voice"},
            output_format={"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
        )
        await context.no_more_inputs()
        kinds = []
        async for event in context.receive():
            kinds.append(event.type)
            if event.type == "chunk":
                spoken += len(event.audio or b"")
            ids.add(event.context_id)
    return {"spoken": spoken, "contexts": len(ids), "events": kinds}


async def hume_evi(url, path):
    from hume import AsyncHumeClient
    from hume.environment import HumeClientEnvironment

    client = AsyncHumeClient(
        api_key="key",
        environment=HumeClientEnvironment(
            base=url.replace("ws", "http", 1),
            evi=url + "/v0/evi",
            tts=url + "/v0/tts",
            stream=url + "/v0/stream",
        ),
    )
    events, transcript, spoken = [], "", 0
    async with client.empathic_voice.chat.connect() as session:

        async def send():
            for chunk in chunks(path):
                await session._send(
                    {"type": "audio_input", "data": base64.b64encode(chunk).decode()}
                )
                await asyncio.sleep(PACE)

        sending = asyncio.create_task(send())
        async for event in session:
            assert not isinstance(event, dict), event
            events.append(event.type)
            if event.type == "user_message":
                transcript = event.message.content
            if event.type == "audio_output":
                spoken += len(base64.b64decode(event.data))
            if event.type == "assistant_end":
                break
        sending.cancel()
    return {"events": events, "transcript": transcript, "spoken": spoken}


async def gladia_live(url, path):
    from gladiaio_sdk import GladiaClient, LiveV2InitRequest, LiveV2LanguageConfig

    client = GladiaClient(api_key="key", api_url=url.replace("ws", "http", 1))
    session = client.live_v2_async().start_session(
        LiveV2InitRequest(
            sample_rate=16000,
            encoding="wav/pcm",
            bit_depth=16,
            channels=1,
            language_config=LiveV2LanguageConfig(languages=["en"]),
        )
    )
    found, errors = [], []
    ended = asyncio.Event()

    @session.on("message")
    def message(received):
        if received.type == "transcript" and received.data.is_final:
            found.append((received.data.utterance.text, received.data.utterance.language))

    @session.once("ended")
    def end(received):
        ended.set()

    @session.on("error")
    def error(received):
        errors.append(repr(received))

    for chunk in chunks(path):
        session.send_audio(chunk)
        await asyncio.sleep(PACE)
    session.stop_recording()
    await asyncio.wait_for(ended.wait(), 15)
    return {"transcript": " ".join(text for text, _ in found), "errors": errors}


async def speechmatics_rt(url, path):
    from speechmatics.rt import (
        AsyncClient,
        AudioEncoding,
        AudioFormat,
        ServerMessageType,
        TranscriptionConfig,
    )

    found = []
    async with AsyncClient(api_key="key", url=url + "/v2") as client:

        @client.on(ServerMessageType.ADD_TRANSCRIPT)
        def final(message):
            found.append(message["metadata"]["transcript"])

        with open(path, "rb") as file:
            file.seek(44)  # the header
            await client.transcribe(
                file,
                transcription_config=TranscriptionConfig(language="en"),
                audio_format=AudioFormat(encoding=AudioEncoding.PCM_S16LE, sample_rate=16000),
                timeout=15,
            )
    return {"transcript": " ".join(found)}


async def soniox_stt(url, path):
    from soniox import AsyncSonioxClient
    from soniox.types import RealtimeSTTConfig

    client = AsyncSonioxClient(api_key="key", websocket_base_url=url + "/transcribe-websocket")
    config = RealtimeSTTConfig(
        model="stt-rt-v3", audio_format="pcm_s16le", sample_rate=16000, num_channels=1
    )
    text, finished = "", False
    async with client.realtime.stt.connect(config=config) as session:

        async def send():
            for chunk in chunks(path):
                await session.send_byte_chunk(chunk)
                await asyncio.sleep(PACE)
            await session.finish()

        sending = asyncio.create_task(send())
        async for event in session.receive_events():
            text += "".join(token.text for token in event.tokens if token.is_final)
            finished = finished or bool(event.finished)
        await sending
    return {"transcript": text, "finished": finished}


async def gemini_live(url, path):
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="key", http_options={"base_url": url.replace("ws", "http", 1)})
    client._api_client._websocket_base_url = lambda *_: url  # otherwise it is wss:// always
    client._api_client._websocket_ssl_ctx = {}
    transcript, spoken, answer = "", 0, ""
    config = {"response_modalities": ["AUDIO"]}
    async with client.aio.live.connect(model="gemini-live", config=config) as session:

        async def send():
            for chunk in chunks(path):
                await session.send_realtime_input(
                    audio=types.Blob(data=chunk, mime_type="audio/pcm;rate=16000")
                )
                await asyncio.sleep(PACE)

        sending = asyncio.create_task(send())
        async for message in session.receive():
            spoken += len(message.data or b"")
            content = message.server_content
            if content and content.input_transcription:
                transcript = content.input_transcription.text
            if content and content.output_transcription:
                answer = content.output_transcription.text
        await sending
    return {"transcript": transcript, "spoken": spoken, "answer": answer}


async def azure_stt(url, path):
    import azure.cognitiveservices.speech as sdk

    config = sdk.SpeechConfig(subscription="key", host=url)
    audio = sdk.audio.AudioConfig(filename=path)
    recognizer = sdk.SpeechRecognizer(config, audio_config=audio)
    hypotheses = []
    recognizer.recognizing.connect(lambda event: hypotheses.append(event.result.text))
    result = await asyncio.to_thread(lambda: recognizer.recognize_once_async().get())
    details = ""
    if result.reason == sdk.ResultReason.Canceled:
        details = result.cancellation_details.error_details
    return {
        "transcript": result.text,
        "reason": str(result.reason),
        "error": details,
        "hypotheses": len(hypotheses),
    }


async def azure_tts(url, path):
    import azure.cognitiveservices.speech as sdk

    config = sdk.SpeechConfig(subscription="key", host=url)
    synthesizer = sdk.SpeechSynthesizer(config, audio_config=None)
    result = await asyncio.to_thread(lambda: synthesizer.speak_text_async("Good morning.").get())
    details = ""
    if result.reason == sdk.ResultReason.Canceled:
        details = result.cancellation_details.error_details
    return {"spoken": len(result.audio_data), "reason": str(result.reason), "error": details}


async def mistral_realtime(url, path):
    from mistralai.client import Mistral
    from mistralai.client.models import AudioFormat

    client = Mistral(api_key="key", server_url=url.replace("ws", "http", 1))

    async def audio():
        for chunk in chunks(path):
            yield chunk
            await asyncio.sleep(PACE)

    events, transcript = [], ""
    async for event in client.audio.realtime.transcribe_stream(
        audio(),
        model="voxtral-mini-transcribe-realtime-2602",
        audio_format=AudioFormat(encoding="pcm_s16le", sample_rate=16000),
    ):
        assert event.type != "error", event
        assert not hasattr(event, "content"), event  # unknown to the SDK
        events.append(event.type)
        if event.type == "transcription.done":
            transcript = event.text
    return {"events": events, "transcript": transcript}


async def revai_stream(url, path):
    from rev_ai.models import MediaConfig
    from rev_ai.streamingclient import RevAiStreamingClient

    config = MediaConfig("audio/x-raw", "interleaved", 16000, "S16LE", 1)
    client = RevAiStreamingClient("key", config, url=url)

    def audio():
        for chunk in chunks(path):
            yield chunk
            time.sleep(PACE)

    def run():
        results = [json.loads(text) for text in client.start(audio())]
        finals = [result["elements"] for result in results if result["type"] == "final"]
        return " ".join("".join(word["value"] for word in elements) for elements in finals)

    return {"transcript": await asyncio.to_thread(run)}


def sarvam_client(url):
    from sarvamai import AsyncSarvamAI
    from sarvamai.environment import SarvamAIEnvironment

    http = url.replace("ws", "http", 1)
    environment = SarvamAIEnvironment(base=http, creative=http, production=url)
    return AsyncSarvamAI(api_subscription_key="key", environment=environment)


async def sarvam_stt(url, path):
    texts, signals = [], []
    client = sarvam_client(url)
    async with client.speech_to_text_streaming.connect(
        model="saarika:v2.5",
        language_code="en-IN",
        sample_rate="16000",
        input_audio_codec="pcm_s16le",
        vad_signals="true",
        flush_signal="true",
    ) as session:

        async def send():
            for chunk in chunks(path):
                await session.transcribe(audio=base64.b64encode(chunk).decode())
                await asyncio.sleep(PACE)
            await session.flush()

        sending = asyncio.create_task(send())
        while len(texts) < 2:
            message = await session.recv()
            if message.type == "data":
                texts.append(message.data.transcript)
            else:
                signals.append(message.data.signal_type)
        await sending
    return {"transcript": " ".join(texts), "events": signals}


async def sarvam_tts(url, path):
    spoken, client = 0, sarvam_client(url)
    async with client.text_to_speech_streaming.connect(
        model="bulbul:v2", send_completion_event="true"
    ) as session:
        await session.configure(target_language_code="en-IN", output_audio_codec="linear16")
        await session.convert("Good morning. How are you today?")
        await session.flush()
        async for message in session:
            if message.type == "event":
                break
            spoken += len(base64.b64decode(message.data.audio))
    return {"spoken": spoken, "events": [message.data.event_type]}


# Imported first: the import of some takes longer than a server may take to answer.
MODULES = {
    "openai_realtime": "openai",
    "elevenlabs_agent": "elevenlabs.conversational_ai.conversation",
    "elevenlabs_tts": "elevenlabs.client",
    "cartesia_tts": "cartesia",
    "hume_evi": "hume",
    "gladia_live": "gladiaio_sdk",
    "speechmatics_rt": "speechmatics.rt",
    "soniox_stt": "soniox",
    "gemini_live": "google.genai",
    "azure_stt": "azure.cognitiveservices.speech",
    "azure_tts": "azure.cognitiveservices.speech",
    "mistral_realtime": "mistralai.client",
    "revai_stream": "rev_ai.streamingclient",
    "sarvam_stt": "sarvamai",
    "sarvam_tts": "sarvamai",
}


def hold(wanted, url, path):
    name, _, host = wanted.partition("@")
    line = {"name": name}
    url = f"wss://{host}" if host else url
    try:
        line |= asyncio.run(asyncio.wait_for(globals()[name](url, path), PATIENCE))
    except Exception:
        line["failed"] = traceback.format_exc()
    with printing:
        # In one piece: an SDK prints from threads of its own, and may be within a line.
        sys.stdout.write(f"\n{json.dumps(line)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    address, file, *wanted = sys.argv[1:]
    for each in wanted:
        importlib.import_module(MODULES[each.partition("@")[0]])
    # Each has its own event loop: what blocks one of them, such as a late import, blocks no other.
    threads = [threading.Thread(target=hold, args=(each, address, file)) for each in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
