"""A Locust user that replays a trace: load from more than one machine (extra `load`).

    from wsproxy.load.locust import TraceUser

    class Caller(TraceUser):
        trace = "call.wstrace"
        host = "ws://127.0.0.1:9000"

and `locust -f that_file.py --headless ...`, with Locust's own master and workers. A session
is a task; its verdict and its latencies are Locust requests of the type WSR.
"""

from __future__ import annotations

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
from wsproxy.replayer import ClientOptions, ClientReplay, Pace, Verdict, judge_result
from wsproxy.replayer.blocking_client import play_once_blocking
from wsproxy.replayer.replay_trace import ReplayRecording

from .judge import KEEP_CHOICES, keep_or_remove

REQUEST_TYPE = "WSR"  # shown in Locust's tables like GET or POST
_SESSION = "session"
_POLL_INTERVAL = 0.5  # seconds
_FOREVER = 1e9  # seconds

# Names of a verdict's latencies in Locust's tables.
_LATENCY_NAMES = {
    "upgrade": "upgrade",
    "first_message": "first message",
    "first_transcript": "first transcript",
    "final_transcript": "final transcript",
    "close": "close",
}


class NotReproduced(Exception):
    """A session was not reproduced; the text names the verdict and the fields that differ."""

    @classmethod
    def of(cls, verdict: Verdict) -> NotReproduced:
        """The failure that Locust counts: sessions with equal differences have equal texts."""
        fields = dict.fromkeys(difference.field for difference in verdict.differences)
        return cls(f"{verdict.verdict}: {', '.join(fields)}" if fields else verdict.verdict)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What all users of a class share."""

    replay: ClientReplay
    recordings: ReplayRecording


@lru_cache(maxsize=64)
def _prepare(user: type[TraceUser], host: str | None) -> _Prepared:
    """Prepare what all users of a class share, once for each host."""
    if not user.trace or not host:
        raise UsageError(f"{user.__name__} needs a trace and a host")
    if user.keep not in KEEP_CHOICES:
        raise UsageError(f"keep {user.keep!r}: give {', '.join(KEEP_CHOICES)}")
    recordings = ReplayRecording.into(Path(user.out))
    recordings.check()
    replay = ClientReplay(Path(user.trace), user.client_options())
    recordings.warm_up(replay.script.session)
    return _Prepared(replay, recordings)


class TraceUser(locust.User):
    """Replays a trace as the client, repeatedly.

    Attributes:
        trace: path of the trace.
        host: ws or wss URL of the server; `--host` of Locust's command line sets it as well.
        pace: "recorded", "fast", "causal", or a speed such as "x2".
        timeout: seconds that the server may take longer than in the recording.
        replays: number of sessions of a user, one after another; 0: until Locust stops it.
        out: folder for the traces of the replays.
        keep: which traces to keep: of "failed" sessions (all that are not reproduced), "all",
            "none".
        label: prefix of the names in Locust's tables; "": the trace's name.
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
        """The options of a replay; override it to add credentials and other options.

        Raises:
            UsageError: an option is invalid.
        """
        return ClientOptions(cls.host or "", pace=Pace.parse(cls.pace), timeout=cls.timeout)

    @locust.task
    def replay(self) -> None:
        """Replay once, and report to Locust."""
        try:
            prepared = _prepare(type(self), self.host)
        except WsproxyError as error:
            self._report(_SESSION, 0.0, exception=error)
            self._stop_replaying()
            return
        self._play(prepared)
        self._left -= 1
        if self._left == 0:
            self._stop_replaying()

    def _stop_replaying(self) -> None:
        """Stay without replaying: Locust would replace a user that stops during its start."""
        self.wait_time = lambda: _FOREVER  # type: ignore[method-assign]  # any callable will do

    def _play(self, prepared: _Prepared) -> None:
        try:
            result = play_once_blocking(prepared.replay, prepared.recordings)
            # In a thread, so that the other users continue.
            pool = gevent.get_hub().threadpool
            verdict = pool.apply(judge_result, (result, prepared.replay.options.rules))
        except WsproxyError as error:
            self._report(_SESSION, 0.0, exception=error)
            return
        self._report_verdict(verdict)
        keep_or_remove(verdict, self.keep)

    def _report_verdict(self, verdict: Verdict) -> None:
        exception = None if verdict.reproduced else NotReproduced.of(verdict)
        replayed = verdict.replayed
        self._report(
            _SESSION, replayed["duration_s"] * 1000, replayed["bytes_received"], exception=exception
        )
        for name, values in verdict.latency.items():
            self._report(_LATENCY_NAMES.get(name, name), values["replayed"])

    def _report(
        self, step: str, ms: float, length: int = 0, *, exception: Exception | None = None
    ) -> None:
        label = self.label or Path(self.trace).stem
        self.environment.events.request.fire(
            request_type=REQUEST_TYPE,
            name=f"{label} {step}",
            response_time=ms,
            response_length=length,
            exception=exception,
            context=self.context(),
        )


# -- stop after a number of sessions


def _add_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--wsproxy-sessions",
        type=int,
        default=0,
        metavar="N",
        help="Stop after N sessions of all workers together; 0: do not stop.",
    )


def _stop_after(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    sessions = options.wsproxy_sessions if options is not None else 0
    if sessions and not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(_stop_once, environment, sessions)


def _stop_once(environment: Environment, sessions: int) -> None:
    while _session_count(environment.stats.entries) < sessions:
        gevent.sleep(_POLL_INTERVAL)
    if environment.runner is not None:
        environment.runner.quit()


def _session_count(entries: Mapping[tuple[str, str], Any]) -> int:
    return sum(
        int(entry.num_requests)
        for (name, kind), entry in list(entries.items())
        if kind == REQUEST_TYPE and name.endswith(f" {_SESSION}")
    )


locust.events.init_command_line_parser.add_listener(_add_option)
locust.events.init.add_listener(_stop_after)
