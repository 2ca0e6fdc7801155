"""assemblyai, Universal-Streaming v3. Usage: see common.py."""

import asyncio
import threading
import time

import assemblyai
from assemblyai.streaming import v3

from common import PATIENCE, Report, base_url, chunks, key, mode, stall

report = Report(f"assemblyai {assemblyai.__version__} {mode}")
options = v3.StreamingClientOptions(
    api_host=base_url, api_key=key, connect_timeout=10, max_connection_retries=0
)
parameters = v3.StreamingParameters(sample_rate=16_000, format_turns=True)
if stall:
    parameters.inactivity_timeout = 1


def on_event(_, event) -> None:
    transcript = ""
    if event.type == "Turn" and event.end_of_turn and not event.turn_is_formatted:
        transcript = event.transcript
    report.message(event.type, transcript)


def run_sync() -> None:
    over = threading.Event()
    client = v3.StreamingClient(options)
    for event in (v3.StreamingEvents.Begin, v3.StreamingEvents.Turn):
        client.on(event, on_event)
    client.on(v3.StreamingEvents.Termination, lambda c, e: (on_event(c, e), over.set()))
    client.on(v3.StreamingEvents.Error, lambda c, e: (report.error(e), over.set()))
    client.connect(parameters)
    for chunk, wait in chunks():
        if over.is_set():
            break
        client.stream(chunk)
        time.sleep(wait)
    if stall:
        over.wait(PATIENCE)
    client.disconnect(terminate=not over.is_set())


async def run_async() -> None:
    over = asyncio.Event()
    client = v3.AsyncStreamingClient(options)
    for event in (v3.StreamingEvents.Begin, v3.StreamingEvents.Turn):
        client.on(event, on_event)
    client.on(v3.StreamingEvents.Termination, lambda c, e: (on_event(c, e), over.set()))
    client.on(v3.StreamingEvents.Error, lambda c, e: (report.error(e), over.set()))
    await client.connect(parameters)
    for chunk, wait in chunks():
        if over.is_set():
            break
        await client.stream(chunk)
        await asyncio.sleep(wait)
    if stall:
        await asyncio.wait_for(over.wait(), PATIENCE)
    await client.disconnect(terminate=not over.is_set())


try:
    if mode == "sync":
        run_sync()
    else:
        asyncio.run(run_async())
except Exception as error:
    report.error(error)
report.print()
