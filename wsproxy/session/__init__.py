"""A trace read once: handshake, messages, audio, ending.

session           the fold over a trace's records
traffic           the frames of a session, in running totals
messages          messages and closes as values
head_tail_buffer  the messages that a session keeps
audio_carrier     what carries audio in a message, right or wrong
audio_track       the audio of one direction in one carrier, as running totals
track_signal      the samples of a track, analyzed in the formats declared
session_audio     the tracks of a session
size_histogram    the sizes of many messages
format_timeline   the formats that a session declares its audio to have, over time
declared_audio    the format that a session declares its audio to have
"""

from .messages import BinaryMessage, CloseInfo, TextMessage
from .session import Direction, Session
from .traffic import FrameInfo, Traffic

__all__ = [
    "BinaryMessage",
    "CloseInfo",
    "Direction",
    "FrameInfo",
    "Session",
    "TextMessage",
    "Traffic",
]
