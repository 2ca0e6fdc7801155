"""A Locust user that replays a trace: load from more than one machine (extra `load`).

    from wsproxy.load.locust import TraceUser

    class Caller(TraceUser):
        trace = "call.wstrace"
        host = "ws://127.0.0.1:9000"

and `locust -f that_file.py --headless ...`, with Locust's own master and workers. A session
is a task; its verdict, and how long what took, are Locust's requests of the type WSR.
"""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import gevent
import locust
from locust.env import Environment
from locust.runners import WorkerRunner

from wsproxy.errors import UsageError, WsproxyError
from wsproxy.replayer import ClientOptions, ClientReplay, Pace, Verdict, judge_played
from wsproxy.replayer.blocking_client import play_once_blocking
from wsproxy.replayer.recording import ReplayRecording

from .judge import KEEP

TYPE = "WSR"  # what Locust's tables have where they have GET or POST
_SESSION = "session"
_LOOK_EVERY = 0.5  # seconds
_FOR_EVER = 1e9  # seconds

# Latencies of a verdict, by what Locust's tables call them.
_STEPS = {
    "upgrade": "upgrade",
    "first_message": "first message",
    "first_transcript": "first transcript",
    "final_transcript": "final transcript",
    "close": "close",
}


class NotReproduced(Exception):
    """A session is not the recorded one; the text names the verdict and the fields."""

    @classmethod
    def of(cls, verdict: Verdict) -> NotReproduced:
        """The failure that Locust counts: the same text for all that differ in the same way."""
        fields = dict.fromkeys(difference.field for difference in verdict.differences)
        return cls(f"{verdict.verdict}: {', '.join(fields)}" if fields else verdict.verdict)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the users of a class share."""

    call: ClientReplay
    records: ReplayRecording


@lru_cache(maxsize=64)
def _prepare(user: type[TraceUser], host: str | None) -> _Prepared:
    """Make ready what the users of a class share, once for each host that they are given."""
    if not user.trace or not host:
        raise UsageError(f"{user.__name__} needs a trace and a host")
    if user.keep not in KEEP:
        raise UsageError(f"keep {user.keep!r}: give {', '.join(KEEP)}")
    records = ReplayRecording.into(Path(user.out))
    records.check()
    call = ClientReplay(Path(user.trace), user.client_options())
    if records.diagnose is not None:
        records.diagnose(call.script.session)  # the first time takes a while
    return _Prepared(call, records)


class TraceUser(locust.User):
    """Replays a trace as the client, again and again.

    Attributes:
        trace: path of the trace.
        host: ws or wss URL of the server; `--host` of Locust's command line sets it as well.
        pace: how fast, as `--pace` of `wsproxy replay client`.
        timeout: seconds that the server may take longer than in the recording.
        replays: how many sessions a user has, one after another; 0: until Locust stops it.
        out: folder for the traces of the replays.
        keep: which of them stay: of "failed" sessions (all that are not reproduced), "all",
            "none".
        label: what Locust's tables begin the names with; the trace's name where it is empty.
    """

    abstract = True
    trace: ClassVar[str] = ""
    pace: ClassVar[str] = "recorded"
    timeout: ClassVar[float] = 10.0
    replays: ClassVar[int] = 0
    out: ClassVar[str] = "recordings"
    keep: ClassVar[str] = "failed"
    label: ClassVar[str] = ""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._left = self.replays

    @classmethod
    def client_options(cls) -> ClientOptions:
        """How the server is reached; override it for credentials and all else.

        Raises:
            UsageError: something of it makes no sense.
        """
        return ClientOptions(cls.host or "", pace=Pace.parse(cls.pace), timeout=cls.timeout)

    @locust.task
    def replay(self) -> None:
        """Replay once, and tell Locust."""
        try:
            ready = _prepare(type(self), self.host)
        except WsproxyError as error:
            self._tell(_SESSION, 0.0, exception=error)
            self._rest()
            return
        self._play(ready)
        self._left -= 1
        if self._left == 0:
            self._rest()

    def _rest(self) -> None:
        """Do nothing more. A user that stopped would be replaced while Locust starts others."""
        self.wait_time = lambda: _FOR_EVER  # type: ignore[method-assign]  # any callable will do

    def _play(self, ready: _Prepared) -> None:
        try:
            played = play_once_blocking(ready.call, ready.records)
            # In a thread: the other users go on meanwhile.
            pool = gevent.get_hub().threadpool
            verdict = pool.apply(judge_played, (played, ready.call.options.rules))
        except WsproxyError as error:
            self._tell(_SESSION, 0.0, exception=error)
            return
        self._tell_verdict(verdict)
        if not (self.keep == "all" or (self.keep == "failed" and not verdict.reproduced)):
            with contextlib.suppress(OSError):
                played.replayed.unlink()

    def _tell_verdict(self, verdict: Verdict) -> None:
        exception = None if verdict.reproduced else NotReproduced.of(verdict)
        replayed = verdict.replayed
        self._tell(
            _SESSION, replayed["duration_s"] * 1000, replayed["bytes_received"], exception=exception
        )
        for name, values in verdict.latency.items():
            self._tell(_STEPS.get(name, name), values["replayed"])

    def _tell(
        self, step: str, ms: float, length: int = 0, *, exception: Exception | None = None
    ) -> None:
        label = self.label or Path(self.trace).stem
        self.environment.events.request.fire(
            request_type=TYPE,
            name=f"{label} {step}",
            response_time=ms,
            response_length=length,
            exception=exception,
            context=self.context(),
        )


# -- to stop after so many sessions


def _add_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--wsproxy-sessions",
        type=int,
        default=0,
        metavar="N",
        help="Stop once so many sessions were replayed, by all workers together; 0: run on",
    )


def _stop_after(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    sessions = options.wsproxy_sessions if options is not None else 0
    if sessions and not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(_stop_once, environment, sessions)


def _stop_once(environment: Environment, sessions: int) -> None:
    while _counted(environment.stats.entries) < sessions:
        gevent.sleep(_LOOK_EVERY)
    if environment.runner is not None:
        environment.runner.quit()


def _counted(entries: Mapping[tuple[str, str], Any]) -> int:
    return sum(
        int(entry.num_requests)
        for (name, kind), entry in list(entries.items())
        if kind == TYPE and name.endswith(f" {_SESSION}")
    )


locust.events.init_command_line_parser.add_listener(_add_option)
locust.events.init.add_listener(_stop_after)
