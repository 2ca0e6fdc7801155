"""Recorded sessions for APIs: mitmdump -s addons/replay.py --set wsproxy_replay=TRACE."""

import sys
from pathlib import Path

# A checkout that is not installed works as well.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from wsproxy.addons.replay import addons

__all__ = ["addons"]
