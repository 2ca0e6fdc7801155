"""Runs commands of wsproxy for buttons of the pages, each in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from wsproxy.catalog.loader import given_files

MAX_OUTPUT = 1 << 20  # bytes of what a command prints
_END_AFTER = 5.0  # seconds that a command has to end once it was asked to


def replay_arguments(side: str, trace: Path, target: str, out: Path | None) -> list[str]:
    """The command that replays a trace.

    Args:
        side: "client" or "server".
        target: of a replayed client: the URL of the server.
        out: folder for the trace of the replay; None: it is not recorded.
    """
    common = ["--no-record" if out is None else f"--out={out}", "--", str(trace)]
    if side == "client":
        return ["replay", "client", f"--to={target}", *common]
    return ["replay", "server", *common]


def scrub_arguments(trace: Path, out: Path) -> list[str]:
    """The command that writes a trace without personal data to a new file."""
    return ["scrub", f"--out={out}", "--", str(trace)]


@asynccontextmanager
async def running(arguments: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of wsproxy, for the body of a `with`; it is ended at the end of the body.

    Its output and its errors are in `stdout`.
    """
    catalogs = [f"--catalog={path}" for path in given_files()]
    words = arguments[: 2 if arguments[0] == "replay" else 1]
    command = [*words, *catalogs, *arguments[len(words) :]]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wsproxy",
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C in the terminal is for the server
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        if process.returncode is None:
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_AFTER)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def output_of(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    """What a command prints, as it comes; no more than MAX_OUTPUT of it."""
    assert process.stdout is not None
    left = MAX_OUTPUT
    while left > 0 and (data := await process.stdout.read(min(left, 4096))):
        left -= len(data)
        yield data
