"""Records WebSocket sessions: mitmdump -s addons/record.py --set wsproxy_out=DIR."""

import sys
from pathlib import Path

# A checkout that is not installed works as well.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from wsproxy.addons.record import addons

__all__ = ["addons"]
