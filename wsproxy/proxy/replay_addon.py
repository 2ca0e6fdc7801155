"""The mitmproxy addon that replays recorded sessions in place of the APIs.

An app that uses mitmproxy as its proxy reaches the replay under the API's real host name, with a
certificate for it; no connection to the API is made. Loaded by `addons/replay.py`. To record the
replays, load `record` before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader

from wsproxy.errors import WsproxyError
from wsproxy.replayer import Pace, ReplayServer, ServerOptions
from wsproxy.replayer.replay_trace import ReplayRecording

from .redirect_addon import OTHERS, RedirectAddon

_OPTIONS = frozenset(
    {"wsproxy_replay", "wsproxy_replay_out", "wsproxy_replay_pace", "wsproxy_replay_others"}
)

logger = logging.getLogger(__name__)

_UNREACHABLE = ("127.0.0.1", 0)  # connecting to it fails


class ReplayAddon(RedirectAddon):
    """Redirects requests for recorded APIs to a replay server."""

    def __init__(self) -> None:
        super().__init__(self._find_replay)
        self._server: ReplayServer | None = None
        self._is_running = False
        self._temporary = contextlib.ExitStack()  # folder of replay traces that are discarded
        self._verdict_log: asyncio.Task[None] | None = None

    # -- mitmproxy's life cycle

    def load(self, loader: Loader) -> None:
        loader.add_option("wsproxy_replay", str, "", "Trace, or folder of traces, to serve.")
        loader.add_option(
            "wsproxy_replay_out",
            str,
            "recordings",
            "Folder for the traces of the replays; empty: they are discarded.",
        )
        loader.add_option(
            "wsproxy_replay_pace", str, "recorded", "recorded, x2, x0.5, causal or fast."
        )
        loader.add_option(
            "wsproxy_replay_others",
            str,
            "pass",
            "Requests for hosts without a trace: pass them on, or refuse them.",
            choices=OTHERS,
        )

    def configure(self, updated: set[str]) -> None:
        if updated.isdisjoint(_OPTIONS):
            return
        if self._verdict_log is not None:
            # A server that was not started answers nothing, and requests would go to the API.
            raise exceptions.OptionsError("wsproxy_replay: cannot be changed while the proxy runs")
        options = ctx.options
        if not options.wsproxy_replay:
            raise exceptions.OptionsError(
                "wsproxy_replay: no trace given; set it to a trace or a folder of traces"
            )
        try:
            pace = Pace.parse(options.wsproxy_replay_pace)
            self._temporary.close()
            if options.wsproxy_replay_out:
                records = ReplayRecording.into(Path(options.wsproxy_replay_out))
            else:
                records = self._temporary.enter_context(ReplayRecording.discarded())
            self._server = _server(Path(options.wsproxy_replay), records, pace)
        except WsproxyError as error:
            raise exceptions.OptionsError(f"wsproxy_replay: {error}") from None

    async def running(self) -> None:
        if self._server is None:
            return
        self._others = ctx.options.wsproxy_replay_others
        await super().running()
        await self._server.__aenter__()
        self._is_running = True
        self._verdict_log = asyncio.create_task(self._log_verdicts(self._server))

    async def done(self) -> None:
        if self._verdict_log is not None:
            self._verdict_log.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._verdict_log
        if self._server is not None and self._is_running:
            self._is_running = False
            await self._server.__aexit__()
        self._temporary.close()
        await super().done()

    async def _find_replay(self, host: str, target: str) -> tuple[str, int] | None:
        server = self._server
        if server is None or not server.library.answers_for(host, target):
            return None
        # mitmproxy may listen before the server starts and after it stops: fail until then, so that
        # no request goes to the API.
        return server.address if self._is_running else _UNREACHABLE

    async def _log_verdicts(self, server: ReplayServer) -> None:
        while True:
            try:
                verdict = await server.verdict()
            except Exception as error:  # of one session; the next ones are reported
                logger.error("wsproxy: %s", error)
                continue
            level = logging.INFO if verdict.reproduced else logging.WARNING
            about = "; ".join(
                f"{each.field}: recorded {each.recorded!r}, now {each.replayed!r}"
                for each in verdict.differences[:3]
            )
            trace = verdict.trace or "not kept"
            logger.log(level, "wsproxy: %s %s (%s)", verdict.verdict, about, trace)


def _server(traces: Path, records: ReplayRecording, pace: Pace) -> ReplayServer:
    options = ServerOptions(sessions=0, pace=pace, proxied=True)

    def refused(line: str) -> None:
        logger.warning("wsproxy: %s", line)

    return ReplayServer(traces, options, records, on_refused=refused)
