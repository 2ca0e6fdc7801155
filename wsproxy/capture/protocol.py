"""What a proxy in a process of its own, and the process that starts it, say to each other.

Both write JSON, an object a line. What is asked for comes first:

    {"protocol": 2, "host": "127.0.0.1", "port": 0, "mode": "regular", "confdir": null,
     "record": {"out": "recordings", "hosts": [], "network": true}}   records, or
     "lead": {"others": "here"}}                                      leads requests elsewhere

The process answers, and reports what happens, until its stdin is closed:

    {"listening": ["127.0.0.1", 40123], "ca": "/home/me/.mitmproxy/mitmproxy-ca-cert.pem"}
    {"failed": "why it cannot start", "settings": [["confdir", ""]]}    see wsproxy.errors.Setting
    {"ask": 1, "host": "api.deepgram.com", "target": "/v1/listen"}    answered by
                                         {"answer": 1, "address": ["127.0.0.1", 40124] or null}
    {"ask": 2, "refused": "example.com"}    a host that nothing answers for; answered by
                                         {"answer": 2, "address": null}
    {"ended": "recordings/x.wstrace"}    a trace is complete
    {"log": 30, "message": "..."}        of Python's logging, with its level
"""

from __future__ import annotations

import json
from typing import Any

# Both may be of different installations: it changes when one would not understand the other.
VERSION = 2


def parse(line: bytes) -> dict[str, Any] | None:
    """What a line says; None for one that is not of this protocol."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
