"""Sessions that a telephone service opens to an app.

The service is the client of the WebSocket, and the app is its server: the reverse of a session
with a speech API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsproxy.catalog.envelope import field, json_object
from wsproxy.session import Session

CALLER = "the telephone service"
VONAGE = "websocket:connected"  # event of its first message
ASTERISK = "MEDIA_START "  # the first message of its channel chan_websocket
JAMBONZ = ("session:new", "session:adulting")  # kinds of its first message
_FIRST = 4  # messages, one of which says that this is a call
_MEDIA = "media.payload"
_FORMATS = ("start.mediaFormat", "start.media_format")
_LONGEST = 4096  # characters of a message that says so


def is_call(session: Session) -> bool:
    """Whether the client is a telephone service, by the first messages that it sends."""
    return any(_is_of_call(m.text) for m in session.messages(from_client=True)[:_FIRST])


def starts_stream(content: Mapping[str, Any]) -> bool:
    """Whether a message starts a stream of audio, and says in which format."""
    return content.get("event") == "start" and any(field(content, path) for path in _FORMATS)


def is_media(content: Mapping[str, Any]) -> bool:
    """Whether a message holds audio of a call."""
    return content.get("event") == "media" and bool(field(content, _MEDIA))


def _is_of_call(text: str) -> bool:
    if text.startswith(ASTERISK):
        return True
    if len(text) > _LONGEST or (content := json_object(text)) is None:
        return False
    if starts_stream(content) or is_media(content):
        return True
    return content.get("event") == VONAGE or content.get("type") in JAMBONZ
