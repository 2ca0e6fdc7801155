"""A trace replayed as the client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wsproxy.compare import STANDARD, Rules
from wsproxy.replay import ClientOptions, Pace, Verdict, replay_client
from wsproxy.replay.recorded import Records


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
    max_wer: float = STANDARD.max_wer,
    keep_ids: bool = False,
    out: str | os.PathLike[str] = "recordings",
) -> Verdict:
    """Replay a trace as the client, as `wsproxy replay client` does, and wait for the verdict.

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
        max_wer: word errors a word up to which two transcripts are the same.
        keep_ids: send ids and times in messages as recorded.
        out: folder for the trace of the replay.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to replay, a credential is missing, a bad URL.
        ConnectFailed: the server cannot be reached.
    """
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
        rules=Rules(strict, max_wer),
    )

    def run() -> Verdict:
        return asyncio.run(replay_client(Path(trace), options, Records.into(Path(out))))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    # A loop of the caller's own is running on this thread.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()
