"""Serve a recorded session, a condition or a plan to the code under test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.compare import LearnedVariation, Tolerances, learn
from wsproxy.errors import UsageError
from wsproxy.replayer import Pace, ReplayServer, ServerOptions
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.simulate import ApiQuotas, Plan, PlanStep, Trigger, serve_in_thread

from .served import Served, ServedPlan, ServedRecording
from .server_thread import server_thread


@contextmanager
def serve(
    what: str | os.PathLike[str] | None = None,
    *,
    condition: str | None = None,
    after: str | None = None,
    plan: str | os.PathLike[str] | None = None,
    silence: float | None = None,
    pace: str = "recorded",
    match: Sequence[str] = (),
    gate: str = "bytes",
    strict: bool = False,
    max_wer: float | None = None,
    audio_tolerance: float | None = None,
    same_as: Sequence[str | os.PathLike[str]] = (),
    timeout: float = 10.0,
    out: str | os.PathLike[str] | None = None,
    proxy: bool = False,
    confdir: Path | None = None,
) -> Iterator[Served]:
    """Serve a trace, a condition or a plan on a free port of this machine.

    The server runs on its own thread for the body of the `with`.

    Args:
        what: a trace, or a folder of traces; each request gets the next matching one.
        condition: id of a condition of the catalog; each session fails with it.
        after: when the condition occurs: "open", "audio", "silence", "5s", "20frames" or "3audio".
        plan: how successive sessions fail: a TOML file, or its text (docs/simulate.md).
        silence: seconds that a client may be silent; for a condition or a plan.
        pace: of a trace: "recorded", "x2", "x0.5", "causal" or "fast".
        match: facets of a request that must equal the recording: "host", "path", "query",
            "query.NAME", "subprotocol", "attempt".
        gate: unit in which recorded steps wait for the app's audio: "bytes", "frames" or
            "seconds".
        strict: every frame of the code under test must equal the recording.
        max_wer: largest word error rate of the transcript; None: it must be equal.
        audio_tolerance: tolerance: part of the received audio; None: it has to be equal.
        same_as: other recordings of the session in the one trace: what differs between them
            varies, and is not compared.
        timeout: seconds that it may take longer than in the recording.
        out: folder for the traces of what it did; None: one that is deleted at the end.
        proxy: start the proxy now, rather than when it is asked for.
        confdir: folder of the proxy's certificate authority; None: ~/.mitmproxy.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: what is asked for cannot be served.
    """
    if sum(each is not None for each in (what, condition, plan)) != 1:
        raise UsageError("serve one thing: a trace, condition=... or plan=...")
    if after is not None and condition is None:
        raise UsageError("after= says when a condition comes: give condition=... with it")
    with ExitStack() as stack:
        served: Served
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wsproxy-"))
        if what is not None:
            options = ServerOptions(
                pace=Pace.parse(pace),
                sessions=0,
                timeout=timeout,
                match=tuple(match),
                gate=gate,
                keep_ids=strict,
                rules=Tolerances(
                    strict, max_wer, audio_tolerance, _learn_variation(Path(what), same_as)
                ),
                proxied=True,
            )
            recordings = ReplayRecording.into(Path(folder if out is None else out))
            refused: list[str] = []
            server = ReplayServer(Path(what), options, recordings, on_refused=refused.append)
            running = stack.enter_context(server_thread(server))
            served = ServedRecording(running, refused, stack, confdir)
        else:
            planned = _plan(condition, after, plan, Path(folder))
            limits = ApiQuotas()
            if silence is not None:
                limits = replace(limits, silence=silence, speak_silence=silence)
            simulator = stack.enter_context(serve_in_thread(planned, limits=limits))
            served = ServedPlan(simulator, stack, confdir)
        if proxy:
            _ = served.proxy
        yield served


def _learn_variation(trace: Path, same_as: Sequence[str | os.PathLike[str]]) -> LearnedVariation:
    if same_as and trace.is_dir():
        raise UsageError(f"same_as goes with one trace; {trace} is a folder")
    return learn(trace, [Path(each) for each in same_as])


def _plan(
    condition: str | None, after: str | None, plan: str | os.PathLike[str] | None, folder: Path
) -> Plan:
    catalog = load()
    if condition is not None:
        trigger = Trigger.parse(after) if after is not None else None
        return Plan([PlanStep(catalog.condition(condition), trigger=trigger)])
    assert plan is not None
    if isinstance(plan, str) and "[[" in plan:
        file = folder / "plan.toml"
        file.write_text(plan, encoding="utf-8")
        plan = file
    return Plan.read(Path(plan), catalog.condition)
