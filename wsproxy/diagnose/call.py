"""Sessions that a telephone service opens to an app.

The service is the client of the WebSocket, and the app is its server: the reverse of a session
with a speech API.
"""

from __future__ import annotations

from wsproxy.catalog.envelope import field, json_object
from wsproxy.session import Session

CALLER = "the telephone service"
_FIRST = 4  # messages, one of which says that this is a call
_FORMATS = ("start.mediaFormat", "start.media_format")
_KINDS = ("session:new", "session:adulting")  # of jambonz
_VONAGE = "websocket:connected"
_ASTERISK = "MEDIA_START "
_MEDIA = "media.payload"
_LONGEST = 4096  # characters of a message that says so


def is_call(session: Session) -> bool:
    """Whether the client is a telephone service, by the first messages that it sends."""
    return any(_is_of_call(m.text) for m in session.messages(from_client=True)[:_FIRST])


def _is_of_call(text: str) -> bool:
    if text.startswith(_ASTERISK):
        return True
    if len(text) > _LONGEST or (content := json_object(text)) is None:
        return False
    match content.get("event"):
        case "start":
            return any(field(content, path) for path in _FORMATS)
        case "media":
            return bool(field(content, _MEDIA))
        case event:
            return event == _VONAGE or content.get("type") in _KINDS
