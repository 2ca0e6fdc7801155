"""Checks: each counts one thing in a session and says it with figures and frame numbers.

A check is a pure function of a `SessionFacts`. The catalog names the ones that measure the
cause of a condition. They hold for sessions that failed and for good ones; whether a figure
is wrong is for `rules` to say.
"""

from __future__ import annotations

import json
from itertools import chain
from operator import itemgetter, sub
from statistics import median
from urllib.parse import urlsplit

from wsproxy.audio.format import AudioFormat
from wsproxy.audio.sniff import sniff
from wsproxy.session import FrameColumns, Session
from wsproxy.wire import Opcode

from .evidence import Evidence, named, plural, quoted, seconds
from .session_facts import Measure, SessionFacts

WINDOW = 5.0  # seconds over which the worst pace is looked for
RATED = 10.0  # seconds from which on characters are given by the minute


def silence_before_close(case: SessionFacts) -> list[Evidence]:
    """How long the app had said nothing when the session ended, and its longest silence."""
    end, sent = case.ended_ns, case.sent
    out = []
    if case.format is not None and case.format.from_client:
        audio = case.audio.until(end)
        out.append(_silence("audio", audio, case.opened_ns, end))
        if audio.numbers[-1:] == sent.numbers[-1:]:
            return [*out, *_longest_silence(case)]
    return [*out, _silence("message", sent, case.opened_ns, end), *_longest_silence(case)]


def _silence(what: str, track: FrameColumns, opened_ns: int, end: int) -> Evidence:
    if not track:
        value = seconds(end - opened_ns)
        text = f"the app sent no {what} in the {value:.1f} s from the upgrade to the end"
        return Evidence(text, (), end, value, "s")
    number, t_ns = track.numbers[-1], track.times_ns[-1]
    value = seconds(end - t_ns)
    text = f"the app's last {what} was {value:.1f} s before the end (frame {number})"
    return Evidence(text, (number,), t_ns, value, "s")


def _longest_silence(case: SessionFacts) -> list[Evidence]:
    if not case.sent:
        return []
    gap, at, before = longest_gap(case.sent, case.opened_ns, case.ended_ns)
    after = f"after frame {before}" if before else "after the upgrade"
    text = f"the app's longest silence was {seconds(gap):.1f} s, {after}"
    return [Evidence(text, (before,) if before else (), at, seconds(gap), "s")]


def longest_gap(track: FrameColumns, start_ns: int, end_ns: int) -> tuple[int, int, int]:
    """The longest time without a frame, from `start_ns` to `end_ns`.

    Returns:
        Its length and its begin, ns, and the number of the frame before it, 0 if none.
    """
    # Not as a list of numbers: there may be millions of frames.
    gaps = map(sub, chain(track.times_ns, (end_ns,)), chain((start_ns,), track.times_ns))
    at, gap = max(enumerate(gaps), key=itemgetter(1))
    return gap, track.times_ns[at - 1] if at else start_ns, track.numbers[at - 1] if at else 0


def first_audio_delay(case: SessionFacts) -> list[Evidence]:
    """How long after the upgrade the first audio came."""
    if not case.audio:
        return []
    number, t_ns = case.audio.numbers[0], case.audio.times_ns[0]
    value = seconds(t_ns - case.opened_ns)
    text = f"the first audio came {value:.2f} s after the upgrade (frame {number})"
    return [Evidence(text, (number,), t_ns, value, "s")]


def audio_pace(case: SessionFacts) -> list[Evidence]:
    """Audio against the clock: over the session, and in its worst window."""
    form, audio = case.format, case.audio
    if form is None or not audio:
        return _no_audio(case)
    size, first, last = audio.size, audio.numbers[0], audio.numbers[-1]
    start = audio.times_ns[0]
    if not form.bytes_per_second:
        text = f"{plural(len(audio), 'message')} of audio, {size} bytes; declared: {form}"
        return [Evidence(text, (), start, float(size), "bytes")]
    length, wall = audio_and_wall(case, form)
    pace = length / wall
    text = f"{length:.1f} s of audio in {wall:.1f} s: {pace:.1f} times real time"
    out = [Evidence(text, (first, last), start, round(pace, 2), "x")]
    worst, at = worst_window(audio, form)
    if worst:
        text = (
            f"most in {WINDOW:.0f} s: {worst * WINDOW:.1f} s of audio "
            f"({worst:.1f} times real time), from frame {audio.numbers[at]}"
        )
        value = round(worst, 2)
        out.append(Evidence(text, (audio.numbers[at],), audio.times_ns[at], value, "x"))
    return out


def audio_and_wall(case: SessionFacts, form: AudioFormat) -> tuple[float, float]:
    """Seconds of audio, and seconds from the first of it to the end of the last's playing."""
    audio = case.audio
    span = seconds(audio.times_ns[-1] - audio.times_ns[0])
    return form.duration(audio.size), max(span, 0.001) + form.duration(audio.lengths[-1])


def _no_audio(case: SessionFacts) -> list[Evidence]:
    if case.format is None or not case.session.accepted:
        return []
    side = "app" if case.format.from_client else "server"
    return [Evidence(f"the {side} sent no audio at all", (), None, 0.0, "s")]


def worst_window(audio: FrameColumns, form: AudioFormat) -> tuple[float, int]:
    """The most audio in WINDOW seconds, by two pointers over the frames.

    Returns:
        Seconds of audio in a second, and the place in `audio` where the window begins. 0.0
        where there is less than a window.
    """
    span = int(WINDOW * 1e9)
    times, lengths = audio.times_ns, audio.lengths
    if times[-1] - times[0] <= span:
        return 0.0, 0
    best, at, first, size = 0, 0, 0, 0
    for t_ns, length in zip(times, lengths, strict=True):
        size += length
        while t_ns - times[first] > span:
            size -= lengths[first]
            first += 1
        if size > best:
            best, at = size, first
    return form.duration(best) / WINDOW, at


def chunk_durations(case: SessionFacts) -> list[Evidence]:
    """How long the audio of a message is, and which messages are outside the limits."""
    form, audio = case.format, case.audio
    if form is None or not form.bytes_per_second or not audio:
        return []
    shortest, longest = (1000 * form.duration(pick(audio.lengths)) for pick in (min, max))
    middle = 1000 * form.duration(int(median(audio.lengths)))
    text = (
        f"audio messages last {shortest:.0f} to {longest:.0f} ms, "
        f"half of them {middle:.0f} ms or more ({form})"
    )
    out = [Evidence(text, (), audio.times_ns[0], round(middle, 1), "ms")]
    odd = outside_limits(case, form)
    if odd:
        limits = case.limits
        many = plural(len(odd), "message is", "messages are")
        span = f"{limits.shortest_chunk * 1000:.0f} to {limits.longest_chunk * 1000:.0f} ms"
        text = f"{many} outside {span}: {named(odd.numbers)}"
        out.append(
            Evidence(text, tuple(odd.numbers[:5]), odd.times_ns[0], float(len(odd)), "messages")
        )
    return out


def outside_limits(case: SessionFacts, form: AudioFormat) -> FrameColumns:
    """Audio messages that are shorter or longer than the API allows."""
    limits = case.limits
    if not limits.longest_chunk:
        return case.audio.where(())
    rate = form.bytes_per_second
    low, high = limits.shortest_chunk * rate, limits.longest_chunk * rate
    return case.audio.where(not low <= n <= high for n in case.audio.lengths)


def audio_decodable(case: SessionFacts) -> list[Evidence]:
    """What the first bytes of the audio are, against what is declared."""
    form = case.format
    if form is None:
        return []
    direction = case.session.sent if form.from_client else case.session.received
    kind = sniff(direction.head)
    start = quoted(direction.head[:24].decode("latin-1"), 40)
    text = f"the first bytes sent as audio are {kind} ({start!r}); declared: {form}"
    looked_at = float(len(direction.head))
    return [Evidence(text, tuple(case.audio.numbers[:1]), None, looked_at, "bytes looked at")]


def keepalives(case: SessionFacts) -> list[Evidence]:
    """How many keepalive messages there were, and how far apart."""
    names = case.vocabulary.keepalive or ("KeepAlive",)
    kept = [said for said in case.client_json if said.kind in names]
    name = names[0]
    if not kept:
        return [Evidence(f"the app sent no {name}", (), None, 0.0, "messages")]
    gaps = [kept[i + 1].t_ns - kept[i].t_ns for i in range(len(kept) - 1)]
    every = f", up to {seconds(max(gaps)):.1f} s apart" if gaps else ""
    text = f"the app sent {plural(len(kept), f'{name} message')}{every}"
    frames = tuple(said.frame for said in kept[:5])
    return [Evidence(text, frames, kept[-1].t_ns, float(len(kept)), "messages")]


def last_client_message(case: SessionFacts) -> list[Evidence]:
    """The last text that the app sent before the end, and whether it is JSON."""
    before = [m for m in case.session.messages(from_client=True) if m.t_ns <= case.ended_ns]
    if not before:
        return []
    last = before[-1]
    what = "JSON" if is_json(last.text) else "no valid JSON"
    ago = seconds(case.ended_ns - last.t_ns)
    text = f"the app's last text, {ago:.2f} s before the end, is {what}: {quoted(last.text)}"
    return [Evidence(text, (last.frame,), last.t_ns, ago, "s")]


def is_json(text: str) -> bool:
    """Whether a text is JSON of any kind."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def handshake(case: SessionFacts) -> list[Evidence]:
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


def session_duration(case: SessionFacts) -> list[Evidence]:
    """How long the session had been open when it ended."""
    if not case.session.accepted:
        return []
    value = seconds(case.ended_ns - case.opened_ns)
    text = f"the session ended {value:.1f} s after the upgrade"
    return [Evidence(text, (), case.ended_ns, value, "s")]


def text_sent(case: SessionFacts) -> list[Evidence]:
    """How much text the app gave to be spoken, in all and in one message."""
    spoken = case.spoken
    if not spoken:
        return []
    total = sum(length for length, _ in spoken)
    longest, said = max(spoken, key=lambda pair: pair[0])
    wall = seconds(case.ended_ns - spoken[0][1].t_ns)
    # Under some seconds, a rate says nothing.
    rate = f" ({total / wall * 60:.0f} a minute)" if wall > RATED else ""
    text = (
        f"{total} characters to speak in {plural(len(spoken), 'message')} over {wall:.1f} s{rate}, "
        f"at most {longest} in one (frame {said.frame})"
    )
    return [Evidence(text, (said.frame,), said.t_ns, float(total), "characters")]


def message_sizes(case: SessionFacts) -> list[Evidence]:
    """The largest frame that the app sent."""
    if not case.sent:
        return []
    largest = max(case.sent.lengths)
    frame = case.session.frame(case.sent.numbers[case.sent.lengths.index(largest)])
    what = f"{frame.opcode}, frame {frame.number}"
    text = f"the app's largest frame has {frame.length} bytes ({what})"
    return [Evidence(text, (frame.number,), frame.t_ns, float(frame.length), "bytes")]


def binary_sent(case: SessionFacts) -> list[Evidence]:
    """How many binary and text messages the app sent, and empty ones."""
    binary = case.session.track(from_client=True, opcodes=(Opcode.BINARY,))
    texts = case.session.track(from_client=True, opcodes=(Opcode.TEXT,))
    counts = f"{plural(len(binary), 'binary frame')} and {plural(len(texts), 'text frame')}"
    frames = tuple(binary.numbers[:5])
    out = [Evidence(f"the app sent {counts}", frames, None, float(len(binary)), "frames")]
    empty = binary.where(not length for length in binary.lengths)
    if empty:
        many = plural(len(empty), "binary frame is", "binary frames are")
        text = f"{many} empty: {named(empty.numbers)}"
        t_ns = empty.times_ns[0]
        out.append(Evidence(text, tuple(empty.numbers[:5]), t_ns, float(len(empty)), "frames"))
    return out


def results_received(case: SessionFacts) -> list[Evidence]:
    """How much the server had answered, and when first and last."""
    opcodes = (Opcode.TEXT, Opcode.BINARY)
    answers = case.session.track(from_client=False, opcodes=opcodes).until(case.ended_ns)
    if not answers:
        return [Evidence("the server sent no message", (), None, 0.0, "messages")]
    first, last = answers.times_ns[0], answers.times_ns[-1]
    text = (
        f"the server sent {plural(len(answers), 'message')}, the first "
        f"{seconds(first - case.opened_ns):.2f} s after the upgrade, the last "
        f"{seconds(case.ended_ns - last):.1f} s before the end"
    )
    frames = (answers.numbers[0], answers.numbers[-1])
    return [Evidence(text, frames, last, float(len(answers)), "messages")]


def ping_pong(case: SessionFacts) -> list[Evidence]:
    """Pings and the Pongs that answered them, for each side."""
    out = []
    for from_client in (True, False):
        pings = case.session.track(from_client=from_client, opcodes=(Opcode.PING,))
        if not pings:
            continue
        pongs = case.session.track(from_client=not from_client, opcodes=(Opcode.PONG,))
        missing = max(0, len(pings) - len(pongs))
        side = "app" if from_client else "server"
        text = f"the {side} sent {plural(len(pings), 'ping')}, {missing} of them unanswered"
        frames = tuple(pings.numbers[-5:])
        out.append(Evidence(text, frames, pings.times_ns[-1], float(missing), "pings"))
    return out


def who_ended(case: SessionFacts) -> list[Evidence]:
    """Which side ended first, and what the last thing before was."""
    session, end = case.session, case.ended_ns
    if session.closed_by is None:
        return []
    side = "app" if session.closed_by == "client" else "server"
    at = seconds(end - case.opened_ns)
    out = [Evidence(f"the {side} ended the session {at:.2f} s after the upgrade", (), end, at, "s")]
    number = session.close.frame - 1 if session.close else session.frame_count
    if number >= 1:
        frame = session.frame(number)
        who = "app" if frame.from_client else "server"
        ago = seconds(end - frame.t_ns)
        what = f"{frame.opcode} from the {who}, {frame.length} bytes"
        text = f"the last frame before: {what}, {ago:.2f} s earlier"
        out.append(Evidence(text, (frame.number,), frame.t_ns, ago, "s"))
    return out


def failure(case: SessionFacts) -> list[Evidence]:
    """What went wrong outside of frames."""
    return [
        Evidence(f"{f.where}: {quoted(f.message, 200)}", (), f.t_ns, seconds(f.t_ns), "s")
        for f in case.session.failures
    ]


CHECKS: dict[str, Measure] = {
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
