"""Runs a command as `wsproxy run` does, with simulated speech APIs and without recording."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.doctor import catching, trial
from wsproxy.doctor.result import CheckResult
from wsproxy.doctor.setup import Setup
from wsproxy.errors import RecorderMissing, UsageError, WsproxyError
from wsproxy.intercept import environment, loaded_clients
from wsproxy.intercept.connection_watch import ConnectionWatch
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.intercept.preloads import clients_folder
from wsproxy.proxy import requirements

from . import client_hints
from .app_process import CATCH_PORTS
from .logs import info_on_stderr

_STDERR = 2  # the file descriptor


def trial_run(setup: Setup) -> Iterator[CheckResult]:
    """Run the command to its end, and say what its connections were."""
    try:
        requirements.check()
    except RecorderMissing as error:
        yield CheckResult("trial", "problem", "the command was not run", str(error))
        return
    from wsproxy.proxy import embedding  # noqa: PLC0415  # it imports mitmproxy
    from wsproxy.proxy.trial_addon import TrialAddon  # noqa: PLC0415  # likewise

    addon = TrialAddon(load())
    settings = embedding.ProxySettings(*setup.listen, confdir=setup.confdir)
    try:
        with (
            # A browser may still write to its profile.
            tempfile.TemporaryDirectory(prefix="wsproxy-", ignore_cleanup_errors=True) as folder,
            info_on_stderr(),
            embedding.background(settings, addon) as running,
        ):
            env = environment.for_command(running, settings.mode, Path(folder), setup.env)
            status, past = _run(setup.cmd, env)
            loaded = loaded_clients.read(clients_folder(Path(folder)))
    except WsproxyError as error:
        yield CheckResult("trial", "problem", "the command was not run", str(error))
        return
    catches = catching.obstacle(setup) is None
    ways = client_hints.ways(loaded, [kind.program for kind in past])
    yield from trial.results(status, addon.observed.hosts, past, loaded, ways=ways, catches=catches)


def _run(cmd: tuple[str, ...], env: dict[str, str]) -> tuple[int, Counter[PastConnection]]:
    """Run the command; its exit status, and its connections that went past.

    Raises:
        UsageError: the command cannot be run.
    """
    try:
        process = subprocess.Popen(cmd, env=env, stdout=_STDERR)
    except OSError as error:
        raise UsageError(f"cannot run {cmd[0]}: {error.strerror}") from None
    with ConnectionWatch(process.pid, CATCH_PORTS) as watch:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the terminal ends the command, too
                status = process.wait()
                return (128 - status if status < 0 else status), watch.found
