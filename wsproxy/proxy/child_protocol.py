"""The protocol between a proxy in a child process and the process that starts it.

Both write JSON, one object a line. The first line is the parent's request:

    {"protocol": 2, "host": "127.0.0.1", "port": 0, "mode": "regular", "confdir": null,
     "record": {"out": "recordings", "hosts": [], "network": true}}   record sessions, or
     "lead": {"others": "here"}}                                      redirect requests

The child process replies, and reports events, until its stdin is closed:

    {"listening": ["127.0.0.1", 40123], "ca": "/home/me/.mitmproxy/mitmproxy-ca-cert.pem"}
    {"failed": "why it cannot start", "settings": [["confdir", ""]]}    see wsproxy.errors.Setting
    {"ask": 1, "host": "api.deepgram.com", "target": "/v1/listen"}    answered by
                                         {"answer": 1, "address": ["127.0.0.1", 40124] or null}
    {"ask": 2, "refused": "example.com"}    a host that is not served; answered by
                                         {"answer": 2, "address": null}
    {"ended": "recordings/x.wstrace"}    a trace is complete
    {"log": 30, "message": "..."}        a record of Python's logging, with its level
"""

from __future__ import annotations

import json
from typing import Any

# The two processes may run different installations: the version changes when one of them would
# not understand the other.
VERSION = 2


def parse(line: bytes) -> dict[str, Any] | None:
    """The message in a line; None if it is not of this protocol."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
