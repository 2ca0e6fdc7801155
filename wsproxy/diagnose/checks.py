"""Checks: each counts one thing in a session and says it with figures and frame numbers.

A check is a pure function of a `Case`. The catalog names the ones that measure the
cause of a condition. They hold for sessions that failed and for good ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from urllib.parse import urlsplit

from wsproxy.catalog import Catalog
from wsproxy.session import FrameInfo, Message, Session
from wsproxy.wire import Opcode

from .audio import Format, chunks, declared, sniff
from .evidence import Evidence, plural, quoted, seconds

SHORTEST_CHUNK, LONGEST_CHUNK = 0.050, 1.000  # seconds, AssemblyAI's documented limits
WINDOW = 5.0  # seconds over which the worst pace is looked for
_NAMED = 5  # frame numbers that are named where many fit


@dataclass(frozen=True)
class Case:
    """A session with what several checks need of it, computed once."""

    session: Session
    catalog: Catalog

    @cached_property
    def format(self) -> Format | None:
        return declared(self.session, self.catalog)

    @cached_property
    def audio(self) -> list[FrameInfo]:
        """Frames with audio, of the side that sends it."""
        return chunks(self.session, self.format) if self.format else []

    @cached_property
    def sent(self) -> list[FrameInfo]:
        """The app's frames."""
        return list(self.session.frames(from_client=True))

    @property
    def ended_ns(self) -> int:
        """When the session was ended by its first Close, or by what else ended it."""
        session = self.session
        if session.close is not None:
            return session.close.t_ns
        for direction in (session.received, session.sent):
            if direction.ended is not None:
                return direction.ended.t_ns
        return session.duration_ns

    @property
    def opened_ns(self) -> int:
        return self.session.opened_ns or 0


Check = Callable[[Case], list[Evidence]]


def silence_before_close(case: Case) -> list[Evidence]:
    """How long the app had said nothing when the session ended, and its longest silence."""
    end = case.ended_ns
    sent = [f for f in case.sent if f.t_ns <= end and f.opcode is not Opcode.CLOSE]
    out = []
    if case.format is not None and case.format.from_client:
        out.append(_silence("audio", [f for f in case.audio if f.t_ns <= end], case.opened_ns, end))
    content = [f for f in sent if f.opcode not in (Opcode.PING, Opcode.PONG)]
    if [f.number for f in content[-1:]] != [f.number for f in case.audio[-1:]] or not out:
        out.append(_silence("message", content, case.opened_ns, end))
    longest = _longest_gap(content, case.opened_ns, end)
    if longest is not None:
        out.append(longest)
    return out


def _silence(what: str, frames: list[FrameInfo], opened_ns: int, end: int) -> Evidence:
    if not frames:
        value = seconds(end - opened_ns)
        text = f"the app sent no {what} in the {value:.1f} s from the upgrade to the end"
        return Evidence(text, (), end, value, "s")
    last = frames[-1]
    value = seconds(end - last.t_ns)
    text = f"the app's last {what} was {value:.1f} s before the end (frame {last.number})"
    return Evidence(text, (last.number,), last.t_ns, value, "s")


def _longest_gap(frames: list[FrameInfo], opened_ns: int, end: int) -> Evidence | None:
    times = [opened_ns, *(f.t_ns for f in frames), end]
    if len(times) < 3:
        return None
    gap, at = max((times[i + 1] - times[i], i) for i in range(len(times) - 1))
    number = (frames[at - 1].number,) if at else ()
    after = f"after frame {frames[at - 1].number}" if at else "after the upgrade"
    text = f"the app's longest silence was {seconds(gap):.1f} s, {after}"
    return Evidence(text, number, times[at], seconds(gap), "s")


def first_audio_delay(case: Case) -> list[Evidence]:
    """How long after the upgrade the first audio came."""
    if not case.audio or case.format is None:
        return []
    first = case.audio[0]
    value = seconds(first.t_ns - case.opened_ns)
    text = f"the first audio came {value:.2f} s after the upgrade (frame {first.number})"
    return [Evidence(text, (first.number,), first.t_ns, value, "s")]


def audio_pace(case: Case) -> list[Evidence]:
    """Audio against the clock: over the session, and in its worst window."""
    form, frames = case.format, case.audio
    if form is None or not frames:
        return _no_audio(case)
    size = sum(f.length for f in frames)
    if not form.bytes_per_second:
        text = f"{plural(len(frames), 'message')} of audio, {size} bytes; declared: {form}"
        return [Evidence(text, (), frames[0].t_ns, float(size), "bytes")]
    audio = form.duration(size)
    wall = max(seconds(frames[-1].t_ns - frames[0].t_ns), 0.001) + form.duration(frames[-1].length)
    pace = audio / wall
    text = f"{audio:.1f} s of audio in {wall:.1f} s: {pace:.1f} times real time"
    out = [
        Evidence(text, (frames[0].number, frames[-1].number), frames[0].t_ns, round(pace, 2), "x")
    ]
    worst = _worst_window(frames, form)
    if worst is not None:
        out.append(worst)
    return out


def _no_audio(case: Case) -> list[Evidence]:
    if case.format is None or not case.session.accepted:
        return []
    side = "app" if case.format.from_client else "server"
    return [Evidence(f"the {side} sent no audio at all", (), None, 0.0, "s")]


def _worst_window(frames: list[FrameInfo], form: Format) -> Evidence | None:
    """The WINDOW with the most audio in it, by two pointers over the frames."""
    span = WINDOW * 1e9
    if frames[-1].t_ns - frames[0].t_ns <= span:
        return None
    best, at, first, size = 0, 0, 0, 0
    for frame in frames:
        size += frame.length
        while frame.t_ns - frames[first].t_ns > span:
            size -= frames[first].length
            first += 1
        if size > best:
            best, at = size, first
    pace = form.duration(best) / WINDOW
    text = (
        f"most in {WINDOW:.0f} s: {form.duration(best):.1f} s of audio "
        f"({pace:.1f} times real time), from frame {frames[at].number}"
    )
    return Evidence(text, (frames[at].number,), frames[at].t_ns, round(pace, 2), "x")


def chunk_durations(case: Case) -> list[Evidence]:
    """How long the audio of a message is, and which messages are outside 50 to 1000 ms."""
    form = case.format
    if form is None or not form.bytes_per_second or not case.audio:
        return []
    lengths = [form.duration(f.length) for f in case.audio]
    middle = median(lengths) * 1000
    text = (
        f"audio messages last {min(lengths) * 1000:.0f} to {max(lengths) * 1000:.0f} ms, "
        f"half of them {middle:.0f} ms or more ({form})"
    )
    out = [Evidence(text, (), case.audio[0].t_ns, round(middle, 1), "ms")]
    pairs = zip(case.audio, lengths, strict=True)
    odd = [f for f, s in pairs if not SHORTEST_CHUNK <= round(s, 6) <= LONGEST_CHUNK]
    if odd:
        many = plural(len(odd), "message is", "messages are")
        text = f"{many} outside 50 to 1000 ms: {_numbers(odd)}"
        out.append(Evidence(text, _some(odd), odd[0].t_ns, float(len(odd)), "messages"))
    return out


def audio_decodable(case: Case) -> list[Evidence]:
    """What the first bytes of the audio are, against what is declared."""
    form = case.format
    if form is None:
        return []
    direction = case.session.sent if form.from_client else case.session.received
    kind = sniff(direction.head)
    frames = tuple(f.number for f in case.audio[:1])
    start = quoted(direction.head[:24].decode("latin-1"), 40)
    text = f"the first bytes sent as audio are {kind} ({start!r}); declared: {form}"
    return [Evidence(text, frames, None, float(len(direction.head)), "bytes looked at")]


def keepalives(case: Case) -> list[Evidence]:
    """How many KeepAlive messages there were, and how far apart."""
    kept = [m for m in case.session.messages(from_client=True) if _type_of(m) == "KeepAlive"]
    if not kept:
        return [Evidence("the app sent no KeepAlive", (), None, 0.0, "messages")]
    gaps = [kept[i + 1].t_ns - kept[i].t_ns for i in range(len(kept) - 1)]
    every = f", up to {seconds(max(gaps)):.1f} s apart" if gaps else ""
    text = f"the app sent {plural(len(kept), 'KeepAlive message')}{every}"
    return [Evidence(text, _some(kept), kept[-1].t_ns, float(len(kept)), "messages")]


def last_client_message(case: Case) -> list[Evidence]:
    """The last text that the app sent before the end, and whether it is JSON."""
    before = [m for m in case.session.messages(from_client=True) if m.t_ns <= case.ended_ns]
    if not before:
        return []
    last = before[-1]
    what = "JSON" if _parsed(last.text) is not None else "no valid JSON"
    ago = seconds(case.ended_ns - last.t_ns)
    text = f"the app's last text, {ago:.2f} s before the end, is {what}: {quoted(last.text)}"
    return [Evidence(text, (last.frame,), last.t_ns, ago, "s")]


def handshake(case: Case) -> list[Evidence]:
    """What was asked for and what the answer was, with the provider's own words."""
    session = case.session
    response, request = session.response, session.request
    out = []
    if response is not None:
        wait = response.t_ns - (request.t_ns if request else 0)
        text = f"HTTP {response.status} {quoted(response.reason)} after {wait / 1e6:.0f} ms"
        out.append(
            Evidence(text.rstrip(), (), response.t_ns, float(response.status), "HTTP status")
        )
        if not session.accepted and response.body:
            body = quoted(response.body.decode("utf-8", "replace"), 160)
            size = float(max(response.body_length, len(response.body)))
            out.append(Evidence(f"its body: {body}", (), response.t_ns, size, "bytes"))
    for name in ("dg-error", "www-authenticate", "retry-after", "location"):
        value = session.response_header(name)
        if value is not None:
            out.append(Evidence(f"{name}: {quoted(value, 160)}", ()))
    if request is not None:
        out.append(Evidence(f"asked for {quoted(_asked(request.path), 200)}", (), request.t_ns))
        out.append(_credential(session))
    return out


def _asked(path: str) -> str:
    parts = urlsplit(path)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _credential(session: Session) -> Evidence:
    request = session.request
    assert request is not None
    places = [f"{r.get('where')} {r.get('name')}" for r in request.redacted]
    if not places:
        return Evidence("the request carried no credential", (), request.t_ns)
    lengths = [r.get("length") for r in request.redacted if type(r.get("length")) is int]
    said = f", {', '.join(map(str, lengths))} characters" if lengths else ""
    text = f"the request's credential was in: {quoted(', '.join(places), 120)}{said}"
    return Evidence(text, (), request.t_ns)


def session_duration(case: Case) -> list[Evidence]:
    """How long the session had been open when it ended."""
    if not case.session.accepted:
        return []
    value = seconds(case.ended_ns - case.opened_ns)
    text = f"the session ended {value:.1f} s after the upgrade"
    return [Evidence(text, (), case.ended_ns, value, "s")]


def text_sent(case: Case) -> list[Evidence]:
    """How much text the app gave to be spoken, in all and in one message."""
    spoken = []
    for message in case.session.messages(from_client=True):
        parsed = _parsed(message.text)
        text = parsed.get("text") if isinstance(parsed, dict) else None
        if isinstance(text, str):
            spoken.append((len(text), message))
    if not spoken:
        return []
    total = sum(length for length, _ in spoken)
    longest, message = max(spoken, key=lambda pair: pair[0])
    wall = seconds(case.ended_ns - spoken[0][1].t_ns)
    text = (
        f"{total} characters to speak in {plural(len(spoken), 'message')} over {wall:.1f} s, "
        f"at most {longest} in one (frame {message.frame})"
    )
    return [Evidence(text, (message.frame,), message.t_ns, float(total), "characters")]


def message_sizes(case: Case) -> list[Evidence]:
    """The largest frame that the app sent."""
    data = [f for f in case.sent if f.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)]
    if not data:
        return []
    largest = max(data, key=lambda f: f.length)
    what = f"{largest.opcode}, frame {largest.number}"
    text = f"the app's largest frame has {largest.length} bytes ({what})"
    return [Evidence(text, (largest.number,), largest.t_ns, float(largest.length), "bytes")]


def binary_sent(case: Case) -> list[Evidence]:
    """How many binary and text messages the app sent, and empty ones."""
    binary = [f for f in case.sent if f.opcode is Opcode.BINARY]
    texts = sum(f.opcode is Opcode.TEXT for f in case.sent)
    text = f"the app sent {plural(len(binary), 'binary frame')} and {plural(texts, 'text frame')}"
    out = [Evidence(text, _some(binary), None, float(len(binary)), "frames")]
    empty = [f for f in binary if not f.length and f.fin]
    if empty:
        text = (
            f"{plural(len(empty), 'binary frame is', 'binary frames are')} empty: {_numbers(empty)}"
        )
        out.append(Evidence(text, _some(empty), empty[0].t_ns, float(len(empty)), "frames"))
    return out


def results_received(case: Case) -> list[Evidence]:
    """How much the server had answered, and when first and last."""
    answers = [
        f
        for f in case.session.frames(from_client=False)
        if f.opcode in (Opcode.TEXT, Opcode.BINARY) and f.t_ns <= case.ended_ns
    ]
    if not answers:
        return [Evidence("the server sent no message", (), None, 0.0, "messages")]
    first, last = answers[0], answers[-1]
    text = (
        f"the server sent {plural(len(answers), 'message')}, the first "
        f"{seconds(first.t_ns - case.opened_ns):.2f} s after the upgrade, the last "
        f"{seconds(case.ended_ns - last.t_ns):.1f} s before the end"
    )
    return [Evidence(text, (first.number, last.number), last.t_ns, float(len(answers)), "messages")]


def ping_pong(case: Case) -> list[Evidence]:
    """Pings and the Pongs that answered them, for each side."""
    out = []
    for from_client in (True, False):
        pings = [f for f in case.session.frames(from_client=from_client) if f.opcode is Opcode.PING]
        if not pings:
            continue
        pongs = sum(
            f.opcode is Opcode.PONG for f in case.session.frames(from_client=not from_client)
        )
        missing = max(0, len(pings) - pongs)
        side = "app" if from_client else "server"
        text = f"the {side} sent {plural(len(pings), 'ping')}, {missing} of them unanswered"
        out.append(Evidence(text, _some(pings[-_NAMED:]), pings[-1].t_ns, float(missing), "pings"))
    return out


def who_ended(case: Case) -> list[Evidence]:
    """Which side ended first, and what the last thing before was."""
    session, end = case.session, case.ended_ns
    if session.closed_by is None:
        return []
    side = "app" if session.closed_by == "client" else "server"
    at = seconds(end - case.opened_ns)
    out = [Evidence(f"the {side} ended the session {at:.2f} s after the upgrade", (), end, at, "s")]
    before = [f for f in session.frames() if f.t_ns <= end and f.opcode is not Opcode.CLOSE][-1:]
    for frame in before:
        who = "app" if frame.from_client else "server"
        ago = seconds(end - frame.t_ns)
        what = f"{frame.opcode} from the {who}, {frame.length} bytes"
        text = f"the last frame before: {what}, {ago:.2f} s earlier"
        out.append(Evidence(text, (frame.number,), frame.t_ns, ago, "s"))
    return out


def failure(case: Case) -> list[Evidence]:
    """What went wrong outside of frames."""
    return [
        Evidence(f"{f.where}: {quoted(f.message, 200)}", (), f.t_ns, seconds(f.t_ns), "s")
        for f in case.session.failures
    ]


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        silence_before_close,
        first_audio_delay,
        audio_pace,
        chunk_durations,
        audio_decodable,
        keepalives,
        last_client_message,
        handshake,
        session_duration,
        text_sent,
        message_sizes,
        binary_sent,
        results_received,
        ping_pong,
        who_ended,
        failure,
    )
}


def _parsed(text: str) -> object:
    """The JSON value of a text, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _type_of(message: Message) -> str | None:
    parsed = _parsed(message.text)
    kind = parsed.get("type") if isinstance(parsed, dict) else None
    return kind if isinstance(kind, str) else None


def _some(items: Iterable[FrameInfo | Message]) -> tuple[int, ...]:
    numbers = [i.number if isinstance(i, FrameInfo) else i.frame for i in items]
    return tuple(numbers[:_NAMED])


def _numbers(frames: list[FrameInfo]) -> str:
    more = f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else ""
    return f"frame {', '.join(str(f.number) for f in frames[:_NAMED])}{more}"
