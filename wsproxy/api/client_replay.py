"""A trace replayed as the client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from wsproxy.compare import Tolerances, learn
from wsproxy.replayer import ClientOptions, Pace, Verdict, replay_client
from wsproxy.replayer.recording import ReplayRecording

from .arrivals import refuse_in_event_loop


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

    A server that runs on the same loop can be replayed against.

    Credentials were taken out of the trace; they come from `headers`, `query`, `fields`, or
    from the environment variable of the provider (docs/replay.md).

    Args:
        trace: the trace.
        to: ws or wss URL of the server; its path and query, if any, replace the recorded ones.
        pace: "recorded", "x2", "x0.5", "causal" or "fast".
        headers, query: sent in the place of the recorded ones.
        subprotocol: what is offered in Sec-WebSocket-Protocol.
        fields: credentials for JSON fields of messages.
        proxy: URL of an HTTP or SOCKS proxy; "" for none, None for the environment's.
        insecure: do not check the server's certificate.
        ca: file with certificates to trust, PEM.
        timeout: seconds that the server may take longer than in the recording.
        strict: every frame has to be equal; ids are sent as recorded.
        max_wer: tolerance: word errors per word of the transcript; None: it has to be equal.
        audio_tolerance: tolerance: part of the received audio; None: it has to be equal.
        same_as: other recordings of the same session: what differs between them varies, and is
            not compared.
        keep_ids: send ids and times in messages as recorded.
        out: folder for the trace of the replay; None: none is kept.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to replay, a credential is missing, a bad URL.
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
    with ReplayRecording.discarded() as records:
        return await replay_client(path, options, records)


def replay(
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
    timeout: float = 10.0,
    strict: bool = False,
    max_wer: float | None = None,
    audio_tolerance: float | None = None,
    same_as: Sequence[str | os.PathLike[str]] = (),
    keep_ids: bool = False,
    out: str | os.PathLike[str] | None = "recordings",
) -> Verdict:
    """Replay a trace as the client, and wait for the verdict: `replay_async` for other code.

    Raises:
        BlockingCall: an event loop is running on this thread.
        TraceError, UsageError, ConnectFailed: as `replay_async` does.
    """
    refuse_in_event_loop("wsproxy.replay()", "await wsproxy.replay_async()")
    return asyncio.run(
        replay_async(
            trace,
            to,
            pace=pace,
            headers=headers,
            query=query,
            subprotocol=subprotocol,
            fields=fields,
            proxy=proxy,
            insecure=insecure,
            ca=ca,
            timeout=timeout,
            strict=strict,
            max_wer=max_wer,
            audio_tolerance=audio_tolerance,
            same_as=same_as,
            keep_ids=keep_ids,
            out=out,
        )
    )
