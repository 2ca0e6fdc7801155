"""RFC 6455 on bytes: frames, messages, close payloads and permessage-deflate.

Pure: no sockets, no files, no clocks.
"""

from .deflate import Deflater, Inflater
from .frames import RSV1, RSV2, RSV3, Close, Frame, Garbage, Opcode
from .handshake import Deflate, accept_key, header, is_upgrade
from .messages import AssembledMessage, MessageAssembler
from .parser import MAX_PAYLOAD, FrameParser, RuleChecker

__all__ = [
    "MAX_PAYLOAD",
    "RSV1",
    "RSV2",
    "RSV3",
    "AssembledMessage",
    "Close",
    "Deflate",
    "Deflater",
    "Frame",
    "FrameParser",
    "Garbage",
    "Inflater",
    "MessageAssembler",
    "Opcode",
    "RuleChecker",
    "accept_key",
    "header",
    "is_upgrade",
]
