"""What the Python clients share. They get all that they need from the command line.

Usage of each: python CLIENT.py BASE_URL AUDIO MODE [stall]

BASE_URL: ws://host:port or wss://host:port; without the address it is that of the recorder
in whose reverse mode the program runs (WSPROXY_URL). AUDIO: a file of 16-bit samples, 16 kHz, one
channel. MODE: sync or async. `stall`: after the audio neither send nor end, and wait.
The key comes from the environment, as do proxies, trust and the size of a CHUNK (bytes).
The last line on stdout is a JSON object: what the program saw through its SDK.
"""

import json
import os
import sys
import time

CHUNK = int(os.environ.get("CHUNK", "3200"))  # bytes: 100 ms
PATIENCE = 20.0  # seconds after which a client gives up

base_url, audio_file, mode = sys.argv[1:4]
if base_url.endswith("://"):
    base_url += os.environ["WSPROXY_URL"].partition("://")[2]
stall = "stall" in sys.argv[4:]
key = os.environ.get("API_KEY", "sdk-test-key")


def chunks():
    """The audio in real time: (chunk, seconds to wait before the next)."""
    with open(audio_file, "rb") as file:
        audio = file.read()
    started = time.monotonic()
    for number, at in enumerate(range(0, len(audio), CHUNK)):
        due = started + (number + 1) * CHUNK / 32_000
        yield audio[at : at + CHUNK], max(0.0, due - time.monotonic())


class Report:
    """What was seen; printed at the end."""

    def __init__(self, sdk) -> None:
        self.seen = {"sdk": sdk, "messages": [], "transcript": "", "audio": 0, "errors": []}

    def message(self, kind, transcript="") -> None:
        self.seen["messages"].append(kind)
        if transcript:
            self.seen["transcript"] += transcript + " "

    def audio(self, data) -> None:
        self.seen["audio"] += len(data)

    def error(self, error) -> None:
        code = getattr(error, "code", None) or getattr(error, "status_code", None)
        self.seen["errors"].append({"type": type(error).__name__, "text": str(error), "code": code})

    def print(self) -> None:
        print(json.dumps(self.seen), flush=True)
