"""One replay as the client, from the request to the end of the session; without sockets.

`asyncio_client` and `blocking_client` connect and follow the steps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from wsproxy.recorder import Clock, SessionWriter
from wsproxy.trace import Request, Response

from .client_replay import ClientReplay
from .player import Player, PlayerConnection
from .replay_trace import ReplayRecording, completed_trace
from .response_reader import ResponseReader
from .schedule import Schedule
from .verdict import ReplayResult

logger = logging.getLogger(__name__)

BODY_TIMEOUT = 5.0  # seconds for the body of a refusal


class ClientSession:
    """One replay of a trace as the client.

    Create it before connecting: its clock starts then.

    Args:
        replay: the trace, ready to be replayed.
        recordings: how the session is recorded.
        schedule: of the replay, for a caller that observes it; None: a new one.
    """

    def __init__(
        self, replay: ClientReplay, recordings: ReplayRecording, schedule: Schedule | None = None
    ) -> None:
        self._replay = replay
        self._recordings = recordings
        self._schedule = schedule or replay.schedule()
        self._request = replay.request()
        self._clock = Clock.start()
        self._recording: SessionWriter | None = None

    def steps(self, connection: PlayerConnection) -> Iterator[float | None]:
        """Send the request, read the response, and play the session.

        Yields:
            What to wait for next, see `Player.steps`.

        Raises:
            UsageError: the trace of the replay cannot be created.
        """
        replay, clock, request = self._replay, self._clock, self._request
        recording = replay.start_recording(self._recordings, clock, request)
        self._recording = recording
        connection.send(replay.encode(request))
        response = yield from self._read_response(connection, recording, request)
        if response is None:
            return
        logger.info("answered with status %d", response.status)
        recording.response(response)
        if replay.continues_as_recorded(response):
            endpoint = replay.endpoint(response, recording, self._schedule)
            yield from Player(endpoint, connection, clock).steps()

    def end(self) -> None:
        """End the recording; the connection is closed by then."""
        if self._recording is not None:
            self._recording.end(self._clock.now(), "stopped")

    def result(self) -> ReplayResult:
        """The result of the session that has ended.

        Raises:
            UsageError: its trace could not be written.
        """
        assert self._recording is not None
        trace = completed_trace(self._recording)
        keep = self._recordings.keep
        return ReplayResult.of(self._replay.trace, trace, self._schedule, keep_trace=keep)

    def _read_response(
        self, connection: PlayerConnection, recording: SessionWriter, request: Request
    ) -> Generator[float, None, Response | None]:
        """The response to the request, with the body of a refusal.

        Returns:
            None if there is no valid response; that is recorded as a failure.
        """
        replay = self._replay
        reader = ResponseReader()
        deadline = time.monotonic() + replay.response_timeout
        in_body = False
        while not reader.done:
            if data := connection.take_received():
                reader.feed(data)
            elif connection.peer_end is not None:
                reader.end()
            elif (left := deadline - time.monotonic()) > 0:
                yield left
            else:
                reader.time_out(replay.response_timeout)
            if reader.response is not None and not in_body:
                in_body, deadline = True, time.monotonic() + BODY_TIMEOUT
        response = reader.response
        error = reader.error if response is None else replay.handshake_error(response, request)
        if response is None or error is not None:
            now_ns, message = self._clock.now(), error or "no answer"
            replay.record_no_response(recording, now_ns, message, connection.peer_end)
            return None
        connection.put_back(reader.rest)
        return replace(response, t_ns=self._clock.now())
