"""RFC 6455 on bytes: frames, messages, close payloads and permessage-deflate.

Pure: no sockets, no files, no clocks.
"""

from .deflate import Deflater, Inflater
from .frames import RSV1, RSV2, RSV3, Close, Frame, Garbage, Opcode
from .handshake import Deflate, accept_key, header, is_upgrade
from .parser import MAX_PAYLOAD, FrameParser, RuleChecker

__all__ = [
    "MAX_PAYLOAD",
    "RSV1",
    "RSV2",
    "RSV3",
    "Close",
    "Deflate",
    "Deflater",
    "Frame",
    "FrameParser",
    "Garbage",
    "Inflater",
    "Opcode",
    "RuleChecker",
    "accept_key",
    "header",
    "is_upgrade",
]
