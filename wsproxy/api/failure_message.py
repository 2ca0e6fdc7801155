"""The failure message of a test whose app did not behave as recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wsproxy.compare import Difference
from wsproxy.errors import TraceError
from wsproxy.replayer import Verdict
from wsproxy.report.safe_text import safe, short
from wsproxy.report.text import content
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, TraceReader, find_traces
from wsproxy.wire import Opcode

from .served import Served, ServedRecording

_MAX_VALUE_LENGTH = 160  # characters of a value
_MAX_PAYLOAD_LENGTH = 90  # characters of a frame's payload

# Fields of the handshake, which have no frame.
_HANDSHAKE = ("method", "path", "query", "subprotocol", "status", "error_headers", "body")


def describe_failure(what: Path | None, served: Served, timeout: float) -> str | None:
    """Describe how the code under test deviated from what was served.

    Waits for open sessions to end.

    Args:
        what: the trace or the folder; None: a condition or a plan was served.
        timeout: seconds for open sessions to end.

    Returns:
        None if it behaved as recorded; for a condition or a plan, if it connected at all.
    """
    settled = served.settle(timeout)
    errors = served.errors if isinstance(served, ServedRecording) else []
    for error in errors:
        return f"wsproxy: {safe(str(error))}"
    for verdict in served.verdicts:
        if not verdict.reproduced:
            return "\n".join(_mismatch_lines(_recorded_trace(what, verdict), verdict))
    if not settled:
        return f"wsproxy: a session was still open {timeout:g} s after the test"
    if served.verdicts or served.sessions:
        return None
    requests = "".join(f"\n  {safe(line)}" for line in served.refused)
    return f"wsproxy: no session reached what the test serves{requests}"


def _mismatch_lines(recorded: Path | None, verdict: Verdict) -> Iterable[str]:
    name = recorded.name if recorded is not None else "a trace"
    yield f"wsproxy: the app did not do what is recorded in {name}: {verdict.verdict}"
    first = next(iter(verdict.differences), None)
    if first is not None:
        yield f"  first difference: {short(first.field, 80)}"
        yield f"    recorded  {_value(first.recorded, first.recorded_frame)}"
        yield f"    now       {_value(first.replayed, first.replayed_frame)}"
        if recorded is not None:
            yield f"  nearest recorded frame: {_nearest_frame(recorded, first)}"
    if len(verdict.differences) > 1:
        others = ", ".join(each.field for each in verdict.differences[1:])
        yield f"  also different: {short(others, _MAX_VALUE_LENGTH)}"
    for note in verdict.notes:
        yield f"  note: {note}"
    if verdict.trace is None:
        return
    yield f"  what it did: {verdict.trace}"
    if recorded is not None:
        yield f"  all of it: wsproxy diff {recorded} {verdict.trace}"


def _value(value: object, frame: int | None) -> str:
    shown = "nothing" if value is None else short(str(value), _MAX_VALUE_LENGTH)
    return f"{shown}  (frame {frame})" if frame else shown


def _recorded_trace(what: Path | None, verdict: Verdict) -> Path | None:
    """The served trace that a verdict is about."""
    if what is None or not what.is_dir():
        return what
    for path in find_traces([what]):
        try:
            if Session.summary(path).id == verdict.recorded["session"]:
                return path
        except TraceError:  # such a trace was not served
            continue
    return None


def _nearest_frame(recorded: Path, difference: Difference) -> str:
    """The recorded frame of a difference, or the last one before it."""
    field = difference.field.partition(".")[0]
    if field in _HANDSHAKE:
        return "none, the difference is in the handshake"
    sent = field.endswith("_sent")
    found: tuple[int, FrameRecord] | None = None
    with TraceReader(recorded) as reader:
        frames = (record for record in reader if isinstance(record, FrameRecord))
        for number, frame in enumerate(frames, 1):
            if number == difference.recorded_frame:
                return _frame_line(number, frame)
            if not sent or frame.from_client:
                found = number, frame
    return _frame_line(*found) if found is not None else "none, the recording has no frames"


def _frame_line(number: int, frame: FrameRecord) -> str:
    side = "app →" if frame.from_client else "← server"
    size = len(frame.payload) + frame.cut
    shown = content(frame, _MAX_PAYLOAD_LENGTH)
    kind = Opcode(frame.opcode)
    return f"#{number} at {frame.t_ns / 1e9:.3f} s  {side} {kind} {size} B  {shown}".rstrip()
