"""The leak check accepts what the scrubber keeps: no ordinary trace is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions import APP, SERVER, closed, opened, text_message, write
from wsproxy.catalog import load
from wsproxy.scrub import scrub
from wsproxy.trace import Failure, Response

pytestmark = pytest.mark.one_python

CATALOG = load()
_PIECES = """
    1000 16000 4096 20 1 10.5 0x83 1011 4008 429 2024-12-17 1000ms 5s ms seconds Hz bytes %
    characters status errno HTTP code expected got audio model 'nova-3' "language" 'Grandma'
    gpt-4o-mini-transcribe gpt-4o-realtime-preview-2024-12-17 eleven_flash_v2_5 aura-2-luna-en
    Smithson 4711 482913 and or , - : / ( ) . [Errno 111] 127.0.0.1:8080 api.deepgram.com
    https://dpgr.am/net0001 English en-US pcm_s16le audio/pcm;rate=16000 application/json;
    charset=utf-8 timeout=5 max-age=31536000 websockets/17.4.post1 Chrome/131.0.6778.86
    Mozilla/5.0 sample_rate NET-0001 session.type input_audio_buffer.append permessage-deflate;
    client_max_window_bits=15
"""
PIECES = st.sampled_from(_PIECES.split())
TEXTS = st.lists(PIECES, min_size=1, max_size=12).map(" ".join) | st.lists(
    PIECES, min_size=1, max_size=6
).map("".join)
_NAMES = """
    type message error code model language encoding sample_rate start duration transcript text
    format description metadata status channels reason voice name x url confidence request_id
"""
NAMES = st.sampled_from(_NAMES.split())
_HEADERS = """
    User-Agent Server Via Date Content-Type Accept Vary Cache-Control Keep-Alive Age Retry-After
    Warning dg-error Origin Sec-WebSocket-Extensions Sec-WebSocket-Protocol Content-Length X-Thing
    Accept-Language Location
"""
HEADERS = st.sampled_from(_HEADERS.split())
VALUES = TEXTS | st.integers(0, 10**7) | st.floats(0, 100) | st.booleans() | st.none()
OBJECTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=5)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(OBJECTS, max_size=3),
    st.lists(OBJECTS, max_size=3),
    st.lists(st.tuples(HEADERS, TEXTS), max_size=4),
    st.lists(st.tuples(NAMES, TEXTS), max_size=3),
    TEXTS,
    st.sampled_from([("deepgram", "listen"), ("openai", "realtime"), (None, None)]),
)
def test_scrub_ordinary_words_anywhere_are_accepted(
    tmp_path: Path,
    sent: list[object],
    got: list[object],
    headers: list[tuple[str, str]],
    query: list[tuple[str, str]],
    text: str,
    api: tuple[str | None, str | None],
) -> None:
    (tmp_path / "a.wstrace").unlink(missing_ok=True)
    path = "/v1/listen?" + "&".join(f"{name}={value.replace(' ', '+')}" for name, value in query)
    request, answer = opened(path, **dict(headers))
    assert isinstance(answer, Response)
    records = [
        request,
        Response(answer.t_ns, 101, reason=text, headers=[list(each) for each in headers]),
        *(text_message(50 + n, APP, each) for n, each in enumerate(sent)),
        *(text_message(60 + n, SERVER, each) for n, each in enumerate(got)),
        text_message(
            70, SERVER, {"type": "Error", "message": text, "error": json.dumps({"message": text})}
        ),
        Failure(80, "connect", False, text),
        closed(90, SERVER, 1008, text[:100]),
    ]
    trace = write(tmp_path / "a.wstrace", records, provider=api[0], api=api[1])
    scrub(trace, tmp_path / "b.wstrace", force=True, catalog=CATALOG)
