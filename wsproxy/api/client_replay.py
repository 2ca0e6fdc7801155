"""Replay a trace as the client."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

from wsproxy.compare import Tolerances, learn
from wsproxy.replayer import ClientOptions, Pace, Verdict, replay_client
from wsproxy.replayer.replay_trace import ReplayRecording

from .arrivals import refuse_in_event_loop

P = ParamSpec("P")


async def replay_async(
    trace: str | os.PathLike[str],
    to: str,
    *,
    pace: str = "recorded",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    subprotocol: str | None = None,
    fields: Mapping[str, str] | None = None,
    proxy: str | None = None,
    insecure: bool = False,
    ca: str | os.PathLike[str] | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109  # of the server, not of this call
    strict: bool = False,
    max_wer: float | None = None,
    audio_tolerance: float | None = None,
    same_as: Sequence[str | os.PathLike[str]] = (),
    keep_ids: bool = False,
    out: str | os.PathLike[str] | None = "recordings",
) -> Verdict:
    """Replay a trace as the client, as `wsproxy replay client` does, on the running event loop.

    The server may run on the same loop.

    Credentials are redacted in the trace; they come from `headers`, `query`, `fields`, or
    from the environment variable of the provider (docs/replay.md).

    Args:
        trace: the trace.
        to: ws or wss URL of the server; its path and query, if any, replace the recorded ones.
        pace: "recorded", "x2", "x0.5", "causal" or "fast".
        headers, query: replace the recorded ones, or add to them.
        subprotocol: offered in Sec-WebSocket-Protocol.
        fields: credentials for JSON fields in messages, by field name.
        proxy: URL of an HTTP or SOCKS proxy; "" for none, None for the environment's.
        insecure: do not verify the server's certificate.
        ca: PEM file with certificates to trust.
        timeout: seconds that the server may take longer than in the recording.
        strict: every frame must be equal; ids are sent as recorded.
        max_wer: largest word error rate of the transcript; None: it must be equal.
        audio_tolerance: largest part (0 to 1) of the received audio that may be missing or
            surplus; None: it must be equal.
        same_as: other recordings of the same session; what differs between them is not
            compared.
        keep_ids: send the recorded ids and times in messages.
        out: folder for the trace of the replay; None: do not keep it.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: the trace holds nothing to replay, a credential is missing, or a URL is
            invalid.
        ConnectFailed: the server cannot be reached.
    """
    path = Path(trace)
    others = [Path(each) for each in same_as]
    options = ClientOptions(
        to,
        pace=Pace.parse(pace),
        headers=list((headers or {}).items()),
        query=list((query or {}).items()),
        subprotocol=subprotocol,
        fields=list((fields or {}).items()),
        proxy=proxy,
        insecure=insecure,
        ca=Path(ca) if ca is not None else None,
        timeout=timeout,
        keep_ids=keep_ids or strict,
        rules=Tolerances(
            strict, max_wer, audio_tolerance, await asyncio.to_thread(learn, path, others)
        ),
    )
    if out is not None:
        return await replay_client(path, options, ReplayRecording.into(Path(out)))
    with ReplayRecording.discarded() as recordings:
        return await replay_client(path, options, recordings)


def _blocking(coroutine: Callable[P, Coroutine[Any, Any, Verdict]]) -> Callable[P, Verdict]:
    """`replay_async` for synchronous code, with the same parameters."""

    @functools.wraps(coroutine)
    def replay(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        refuse_in_event_loop("wsproxy.replay()", "await wsproxy.replay_async()")
        return asyncio.run(coroutine(*args, **kwargs))

    replay.__name__ = replay.__qualname__ = "replay"
    replay.__doc__ = """Replay a trace as the client, and wait for the verdict.

    The arguments are those of `replay_async`, which is the twin for asynchronous code.

    Raises:
        BlockingCall: an event loop is running on this thread.
        TraceError, UsageError, ConnectFailed: as `replay_async` does.
    """
    return replay


replay = _blocking(replay_async)
