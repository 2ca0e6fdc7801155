"""wsproxy in scripts and tests: `wsproxy.serve`, `open`, `replay` and `record`.

trace     a recorded session, to be read
served    what is served to the code under test, and how that gets there
live      the API itself in its place, to record it
serving   starts it
playing   a replay server on a thread of its own
recorder  records what the code under test does
proxy     what leads code under test to a recorder, or to what is served
process   mitmproxy in a process of its own
records   how replays are recorded
again     a trace replayed as the client
waiting   for what happens on another thread
mismatch  what a test says when the app did not do what is recorded

What waits has a twin for asynchronous code, whose name ends with `_async`; called inside of
a running event loop, it raises BlockingCall.
"""

from .client_replay import replay, replay_async
from .failure_message import unlike
from .recorder import Recorder, record
from .served import Served
from .serving import serve
from .trace import Message, Trace, open  # noqa: A004  # wsproxy.open, as gzip.open

__all__ = [
    "Message",
    "Recorder",
    "Served",
    "Trace",
    "open",
    "record",
    "replay",
    "replay_async",
    "serve",
    "unlike",
]
