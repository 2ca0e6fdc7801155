"""The real API in place of its recording, to record it again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from .proxy import Proxy
from .recorder import Recorder, record
from .served import Served


class ServedLive(Served):
    """The real API, behind a recorder that starts on demand.

    Args:
        out: folder for the traces.
        to: the API's base URL, which `url` stands for; None: the API is reachable through the
            proxy only.
    """

    def __init__(self, out: Path, to: str | None, stack: ExitStack, confdir: Path | None) -> None:
        super().__init__("", stack, confdir)
        self._out = out
        self._to = to
        self._recorder: Recorder | None = None

    @property
    def url(self) -> str:
        """Base URL that stands for the API.

        Raises:
            UsageError: the API is unknown, or the recorder cannot start.
        """
        return self._start_recorder(self._to).url

    @property
    def traces(self) -> list[Path]:
        return self._recorder.traces if self._recorder is not None else []

    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        if self._recorder is None:
            raise TimeoutError("the recorder's URL or proxy has not been requested yet")
        self._recorder.wait(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        if self._recorder is None:
            raise TimeoutError("the recorder's URL or proxy has not been requested yet")
        await self._recorder.wait_async(count, timeout)

    def _start_recorder(self, to: str | None) -> Recorder:
        if self._recorder is None:
            recording = record(self._out, to=to, confdir=self._confdir)
            self._recorder = self._stack.enter_context(recording)
        return self._recorder

    def _open_proxy(self) -> Proxy:
        return self._start_recorder(None).running_proxy
