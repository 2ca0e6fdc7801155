"""A trace read once: handshake, messages, audio, ending.

session           the fold over a trace's records
frame_columns     the frames of a session as columns
messages          messages and closes as values
head_tail_buffer  the messages that a session keeps
declared_audio    the format that a session declares its audio to have
"""

from .frame_columns import FrameColumns, FrameInfo
from .messages import BinaryMessage, CloseInfo, TextMessage
from .session import KEPT_AUDIO, Direction, Session

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
