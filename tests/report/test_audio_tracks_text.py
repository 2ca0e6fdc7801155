"""Audio tracks as lines for people and as JSON."""

from __future__ import annotations

import pytest

from speech_sessions import SpeechSession
from wsproxy.report.audio_tracks import track_lines, tracks_json


@pytest.mark.parametrize(
    ("provider", "api", "text", "request_before"),
    [
        # Gladia's format is declared in a request before the session.
        (
            "gladia",
            "live",
            "format not declared in this trace, but in POST /v2/live before it",
            "POST /v2/live",
        ),
        ("xai", "realtime", "declared: pcm_s16le at 24000 Hz", None),
        (None, None, "no format declared", None),
    ],
)
def test_track_without_declaration_names_the_request_that_has_it(
    provider: str | None, api: str | None, text: str, request_before: str | None
) -> None:
    session = SpeechSession(provider, api).speak(1).close()
    assert session.timeline is not None
    (line,) = track_lines(session, session.timeline.api)
    (track,) = tracks_json(session, session.timeline.api)
    assert text in line
    assert track["declared_in"] == request_before
