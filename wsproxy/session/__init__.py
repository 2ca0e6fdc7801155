"""A trace read once: handshake, messages, audio, ending.

session         the fold over a trace's records
declared_audio  the format that a session declares its audio to have
"""

from .session import (
    KEPT_AUDIO,
    BinaryMessage,
    CloseInfo,
    Direction,
    FrameColumns,
    FrameInfo,
    Session,
    TextMessage,
)

__all__ = [
    "KEPT_AUDIO",
    "BinaryMessage",
    "CloseInfo",
    "Direction",
    "FrameColumns",
    "FrameInfo",
    "Session",
    "TextMessage",
]
