"""wsproxy in scripts and tests: `wsproxy.serve`, `open`, `replay` and `record`.

    trace            a recorded session, to be read
    notebook         what a notebook asks of a trace
    serving          serves a trace, a condition or a plan
    served           what is served to the code under test, and how it is reached
    live_server      the API itself behind a recorder, to record it again
    server_thread    a replay server on its own thread
    recorder         records the code under test
    proxy            a proxy that redirects to local servers, or records
    child_process    the process of that proxy, which runs mitmproxy
    client_replay    replays a trace as the client
    arrivals         waits for what happens on another thread
    failure_message  the message of a test that did not behave as recorded

Each call that waits has a twin for asynchronous code, whose name ends with `_async`. Inside a
running event loop the blocking one raises BlockingCall.
"""

from .client_replay import replay, replay_async
from .failure_message import describe_failure
from .recorder import Recorder, record
from .served import Served
from .serving import serve
from .trace import Message, Trace, open  # noqa: A004  # wsproxy.open, as gzip.open

__all__ = [
    "Message",
    "Recorder",
    "Served",
    "Trace",
    "describe_failure",
    "open",
    "record",
    "replay",
    "replay_async",
    "serve",
]
