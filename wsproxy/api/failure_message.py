"""What a test says when the app did not do what is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wsproxy.compare import Difference
from wsproxy.errors import TraceError
from wsproxy.replayer import Verdict
from wsproxy.report.text import content, safe, short
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, TraceReader, find_traces
from wsproxy.wire import Opcode

from .served import Served, ServedRecording

_WIDEST = 160  # characters of a value
_PAYLOAD = 90  # characters of a frame's content

# Of the request and of its answer: no frame is near them.
_HANDSHAKE = ("method", "path", "query", "subprotocol", "status", "error_headers", "body")


def unlike(what: Path | None, served: Served, timeout: float) -> str | None:
    """What the code under test did otherwise than what was served to it.

    Waits for sessions that are still open.

    Args:
        what: the trace, or the folder; None: a condition or a plan was served.
        timeout: seconds that an open session may take to end.

    Returns:
        None if it did what is recorded; for a condition or a plan, if it came at all.
    """
    settled = served.settle(timeout)
    errors = served.errors if isinstance(served, ServedRecording) else []
    for error in errors:
        return f"wsproxy: {safe(str(error))}"
    for verdict in served.verdicts:
        if not verdict.reproduced:
            return "\n".join(_unlike(_recorded(what, verdict), verdict))
    if not settled:
        return f"wsproxy: a session was still open {timeout:g} s after the test"
    if served.verdicts or served.sessions:
        return None
    asked = "".join(f"\n  {safe(line)}" for line in served.refused)
    return f"wsproxy: no session came to what the test serves{asked}"


def _unlike(recorded: Path | None, verdict: Verdict) -> Iterable[str]:
    name = recorded.name if recorded is not None else "a trace"
    yield f"wsproxy: the app did not do what is recorded in {name}: {verdict.verdict}"
    first = next(iter(verdict.differences), None)
    if first is not None:
        yield f"  first difference: {short(first.field, 80)}"
        yield f"    recorded  {_value(first.recorded, first.recorded_frame)}"
        yield f"    now       {_value(first.replayed, first.replayed_frame)}"
        if recorded is not None:
            yield f"  nearest recorded frame: {_nearest(recorded, first)}"
    if len(verdict.differences) > 1:
        others = ", ".join(each.field for each in verdict.differences[1:])
        yield f"  also different: {short(others, _WIDEST)}"
    for note in verdict.notes:
        yield f"  note: {note}"
    if verdict.trace is None:
        return
    yield f"  what it did: {verdict.trace}"
    if recorded is not None:
        yield f"  all of it: wsproxy diff {recorded} {verdict.trace}"


def _value(value: object, frame: int | None) -> str:
    shown = "nothing" if value is None else short(str(value), _WIDEST)
    return f"{shown}  (frame {frame})" if frame else shown


def _recorded(what: Path | None, verdict: Verdict) -> Path | None:
    """Which trace of what is served a verdict is about."""
    if what is None or not what.is_dir():
        return what
    for path in find_traces([what]):
        try:
            if Session.summary(path).id == verdict.recorded["session"]:
                return path
        except TraceError:  # it was not served either
            continue
    return None


def _nearest(recorded: Path, difference: Difference) -> str:
    """The frame of the recording that a difference is about, or where it would have been."""
    field = difference.field.partition(".")[0]
    if field in _HANDSHAKE:
        return "none, it is about the handshake"
    sent = field.endswith("_sent")
    found: tuple[int, FrameRecord] | None = None
    with TraceReader(recorded) as reader:
        frames = (record for record in reader if isinstance(record, FrameRecord))
        for number, frame in enumerate(frames, 1):
            if number == difference.recorded_frame:
                return _frame(number, frame)
            if not sent or frame.from_client:
                found = number, frame
    return _frame(*found) if found is not None else "none, there are no frames in it"


def _frame(number: int, frame: FrameRecord) -> str:
    side = "app →" if frame.from_client else "← server"
    size = len(frame.payload) + frame.cut
    shown = content(frame, _PAYLOAD)
    kind = Opcode(frame.opcode)
    return f"#{number} at {frame.t_ns / 1e9:.3f} s  {side} {kind} {size} B  {shown}".rstrip()
