"""The app of the demo: streams speech to Deepgram's listen API, then stalls.

Usage: python demo_client.py URL. It knows nothing of wsproxy but its made-up speech.
"""

import os
import sys
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from wsproxy.simulate.speech import speech

CHUNK = 0.1  # seconds of audio in a message
RATE = 16_000  # samples a second, of 2 bytes

url = f"{sys.argv[1]}/v1/listen?model=nova-3&encoding=linear16&sample_rate={RATE}"
key = os.environ.get("DEEPGRAM_API_KEY", "demo-key")

with connect(url, additional_headers={"Authorization": f"Token {key}"}) as session:
    audio = speech(3.0, RATE)
    size = int(CHUNK * RATE) * 2
    started = time.monotonic()
    for number, offset in enumerate(range(0, len(audio), size)):
        session.send(audio[offset : offset + size])
        time.sleep(max(0.0, started + (number + 1) * CHUNK - time.monotonic()))
    print("app: the microphone stalls here, and nobody sends KeepAlive")
    try:
        for _ in session:
            pass
    except ConnectionClosed as error:
        print(f"app: the session ended: {error}")
