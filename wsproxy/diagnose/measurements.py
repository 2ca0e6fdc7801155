"""Checks: each measures one thing in a session and reports figures and frame numbers.

A check is a pure function of `SessionFacts`. The catalog names the checks that measure the cause
of a condition. They apply to failed and successful sessions; whether a figure is wrong is decided
by `rules`.
"""

from __future__ import annotations

import json
from itertools import chain
from operator import itemgetter, sub
from statistics import median
from urllib.parse import urlsplit

from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.sniff import sniff
from wsproxy.session import FrameColumns, Session
from wsproxy.wire import Opcode

from .evidence import Evidence, frame_list, plural, quoted, seconds
from .session_facts import Measure, SessionFacts

WINDOW = 5.0  # seconds of the window in which the fastest pace is measured
RATED = 10.0  # seconds of session from which on a rate of characters is meaningful


def silence_before_close(facts: SessionFacts) -> list[Evidence]:
    """How long the app had been silent when the session ended, and its longest silence."""
    end, sent = facts.ended_ns, facts.sent
    out = []
    if facts.client_format is not None:
        audio = facts.audio.until(end)
        out.append(_silence("audio", audio, facts.opened_ns, end))
        if audio.numbers[-1:] == sent.numbers[-1:]:
            return [*out, *_longest_silence(facts)]
    return [*out, _silence("message", sent, facts.opened_ns, end), *_longest_silence(facts)]


def _silence(what: str, track: FrameColumns, opened_ns: int, end: int) -> Evidence:
    if not track:
        value = seconds(end - opened_ns)
        text = f"the app sent no {what} in the {value:.1f} s from the upgrade to the end"
        return Evidence(text, (), end, value, "s")
    number, t_ns = track.numbers[-1], track.times_ns[-1]
    value = seconds(end - t_ns)
    text = f"the app's last {what} was {value:.1f} s before the end (frame {number})"
    return Evidence(text, (number,), t_ns, value, "s")


def _longest_silence(facts: SessionFacts) -> list[Evidence]:
    if not facts.sent:
        return []
    gap, at, before = longest_gap(facts.sent, facts.opened_ns, facts.ended_ns)
    after = f"after frame {before}" if before else "after the upgrade"
    text = f"the app's longest silence was {seconds(gap):.1f} s, {after}"
    return [Evidence(text, (before,) if before else (), at, seconds(gap), "s")]


def longest_gap(track: FrameColumns, start_ns: int, end_ns: int) -> tuple[int, int, int]:
    """The longest time without a frame, from `start_ns` to `end_ns`.

    Returns:
        Its length and its start in ns, and the number of the frame before it, 0 if none.
    """
    # No list of gaps: there may be millions of frames.
    gaps = map(sub, chain(track.times_ns, (end_ns,)), chain((start_ns,), track.times_ns))
    at, gap = max(enumerate(gaps), key=itemgetter(1))
    return gap, track.times_ns[at - 1] if at else start_ns, track.numbers[at - 1] if at else 0


def first_audio_delay(facts: SessionFacts) -> list[Evidence]:
    """The time from the upgrade to the first audio."""
    if not facts.audio:
        return []
    number, t_ns = facts.audio.numbers[0], facts.audio.times_ns[0]
    value = seconds(t_ns - facts.opened_ns)
    text = f"the first audio came {value:.2f} s after the upgrade (frame {number})"
    return [Evidence(text, (number,), t_ns, value, "s")]


def audio_pace(facts: SessionFacts) -> list[Evidence]:
    """The pace of the audio, in times real time: over the session and in its fastest window."""
    declared, audio = facts.declared_format, facts.audio
    if declared is None or not audio:
        return _no_audio(facts)
    size, first, last = audio.size, audio.numbers[0], audio.numbers[-1]
    start = audio.times_ns[0]
    if not declared.bytes_per_second:
        text = f"{plural(len(audio), 'message')} of audio, {size} bytes; declared: {declared}"
        return [Evidence(text, (), start, float(size), "bytes")]
    length, wall = audio_and_wall_seconds(facts, declared)
    pace = length / wall
    text = f"{length:.1f} s of audio in {wall:.1f} s: {pace:.1f} times real time"
    out = [Evidence(text, (first, last), start, round(pace, 2), "x")]
    worst, at = fastest_window(audio, declared)
    if worst:
        text = (
            f"fastest {WINDOW:.0f} s: {worst * WINDOW:.1f} s of audio "
            f"({worst:.1f} times real time), from frame {audio.numbers[at]}"
        )
        value = round(worst, 2)
        out.append(Evidence(text, (audio.numbers[at],), audio.times_ns[at], value, "x"))
    return out


def audio_and_wall_seconds(facts: SessionFacts, declared: AudioFormat) -> tuple[float, float]:
    """Seconds of audio, and seconds from its first chunk to the end of playing its last one."""
    audio = facts.audio
    span = seconds(audio.times_ns[-1] - audio.times_ns[0])
    return declared.duration(audio.size), max(span, 0.001) + declared.duration(audio.lengths[-1])


def _no_audio(facts: SessionFacts) -> list[Evidence]:
    if facts.declared_format is None or not facts.session.accepted:
        return []
    side = "app" if facts.declared_format.from_client else "server"
    return [Evidence(f"the {side} sent no audio at all", (), None, 0.0, "s")]


def fastest_window(audio: FrameColumns, declared: AudioFormat) -> tuple[float, int]:
    """The WINDOW seconds with the most audio, found by two pointers over the frames.

    Returns:
        The pace in times real time, and the index in `audio` where the window starts; 0.0 where
        the audio is shorter than a window.
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
    return declared.duration(best) / WINDOW, at


def chunk_durations(facts: SessionFacts) -> list[Evidence]:
    """The durations of the audio messages, and which messages are outside the limits."""
    declared, audio = facts.timed_format, facts.audio
    if declared is None or not audio:
        return []
    shortest, longest = (1000 * declared.duration(pick(audio.lengths)) for pick in (min, max))
    middle = 1000 * declared.duration(int(median(audio.lengths)))
    text = (
        f"audio messages last {shortest:.0f} to {longest:.0f} ms, p50 {middle:.0f} ms ({declared})"
    )
    out = [Evidence(text, (), audio.times_ns[0], round(middle, 1), "ms")]
    odd = outside_limits(facts, declared)
    if odd:
        limits = facts.limits
        many = plural(len(odd), "message is", "messages are")
        span = f"{limits.shortest_chunk * 1000:.0f} to {limits.longest_chunk * 1000:.0f} ms"
        text = f"{many} outside {span}: {frame_list(odd.numbers)}"
        out.append(
            Evidence(text, tuple(odd.numbers[:5]), odd.times_ns[0], float(len(odd)), "messages")
        )
    return out


def outside_limits(facts: SessionFacts, declared: AudioFormat) -> FrameColumns:
    """Audio messages that are shorter or longer than the API allows."""
    limits = facts.limits
    if not limits.longest_chunk:
        return facts.audio.where(())
    rate = declared.bytes_per_second
    low, high = limits.shortest_chunk * rate, limits.longest_chunk * rate
    return facts.audio.where(not low <= n <= high for n in facts.audio.lengths)


def audio_decodable(facts: SessionFacts) -> list[Evidence]:
    """What the first bytes of the audio are, and the declared format."""
    declared = facts.declared_format
    if declared is None:
        return []
    direction = facts.session.sent if declared.from_client else facts.session.received
    kind = sniff(direction.head)
    start = quoted(direction.head[:24].decode("latin-1"), 40)
    text = f"the first bytes sent as audio are {kind} ({start!r}); declared: {declared}"
    looked_at = float(len(direction.head))
    return [Evidence(text, tuple(facts.audio.numbers[:1]), None, looked_at, "bytes examined")]


def keepalives(facts: SessionFacts) -> list[Evidence]:
    """How many keepalive messages there were, and how far apart."""
    names = facts.vocabulary.keepalive or ("KeepAlive",)
    kept = [message for message in facts.client_json if message.kind in names]
    name = names[0]
    if not kept:
        return [Evidence(f"the app sent no {name}", (), None, 0.0, "messages")]
    gaps = [kept[i + 1].t_ns - kept[i].t_ns for i in range(len(kept) - 1)]
    every = f", up to {seconds(max(gaps)):.1f} s apart" if gaps else ""
    text = f"the app sent {plural(len(kept), f'{name} message')}{every}"
    frames = tuple(message.frame for message in kept[:5])
    return [Evidence(text, frames, kept[-1].t_ns, float(len(kept)), "messages")]


def last_client_message(facts: SessionFacts) -> list[Evidence]:
    """The app's last text message before the end, and whether it is JSON."""
    before = [m for m in facts.session.messages(from_client=True) if m.t_ns <= facts.ended_ns]
    if not before:
        return []
    last = before[-1]
    what = "JSON" if is_json(last.text) else "not valid JSON"
    ago = seconds(facts.ended_ns - last.t_ns)
    text = f"the app's last text, {ago:.2f} s before the end, is {what}: {quoted(last.text)}"
    return [Evidence(text, (last.frame,), last.t_ns, ago, "s")]


def is_json(text: str) -> bool:
    """Whether a text is JSON of any kind."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def handshake(facts: SessionFacts) -> list[Evidence]:
    """The upgrade request and the response to it, with the provider's own words."""
    session = facts.session
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
            out.append(Evidence(f"response body: {body}", (), response.t_ns, size, "bytes"))
    for name in ("dg-error", "www-authenticate", "retry-after", "location"):
        value = session.response_header(name)
        if value is not None:
            out.append(Evidence(f"{name}: {quoted(value, 160)}", ()))
    if request is not None:
        out.append(
            Evidence(f"requested {quoted(_path_and_query(request.path), 200)}", (), request.t_ns)
        )
        out.append(_credential(session))
    return out


def _path_and_query(path: str) -> str:
    parts = urlsplit(path)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _credential(session: Session) -> Evidence:
    request = session.request
    assert request is not None
    places = [f"{r.get('where')} {r.get('name')}" for r in request.redacted]
    if not places:
        return Evidence("the request carried no credential", (), request.t_ns)
    lengths = [r.get("length") for r in request.redacted if type(r.get("length")) is int]
    sizes = f", {', '.join(map(str, lengths))} characters" if lengths else ""
    text = f"the request's credential was in: {quoted(', '.join(places), 120)}{sizes}"
    return Evidence(text, (), request.t_ns)


def session_duration(facts: SessionFacts) -> list[Evidence]:
    """How long the session had been open when it ended."""
    if not facts.session.accepted:
        return []
    value = seconds(facts.ended_ns - facts.opened_ns)
    text = f"the session ended {value:.1f} s after the upgrade"
    return [Evidence(text, (), facts.ended_ns, value, "s")]


def text_sent(facts: SessionFacts) -> list[Evidence]:
    """How much text the app sent to synthesize, in total and in one message."""
    texts_to_speak = facts.texts_to_speak
    if not texts_to_speak:
        return []
    total = sum(length for length, _ in texts_to_speak)
    longest, message = max(texts_to_speak, key=lambda pair: pair[0])
    wall = seconds(facts.ended_ns - texts_to_speak[0][1].t_ns)
    rate = f" ({total / wall * 60:.0f} a minute)" if wall > RATED else ""
    text = (
        f"{total} characters to speak in {plural(len(texts_to_speak), 'message')} "
        f"over {wall:.1f} s{rate}, "
        f"at most {longest} in one (frame {message.frame})"
    )
    return [Evidence(text, (message.frame,), message.t_ns, float(total), "characters")]


def message_sizes(facts: SessionFacts) -> list[Evidence]:
    """The largest frame that the app sent."""
    if not facts.sent:
        return []
    largest = max(facts.sent.lengths)
    frame = facts.session.frame(facts.sent.numbers[facts.sent.lengths.index(largest)])
    what = f"{frame.opcode}, frame {frame.number}"
    text = f"the app's largest frame has {frame.length} bytes ({what})"
    return [Evidence(text, (frame.number,), frame.t_ns, float(frame.length), "bytes")]


def binary_sent(facts: SessionFacts) -> list[Evidence]:
    """How many binary and text frames the app sent, and how many are empty."""
    binary = facts.session.track(from_client=True, opcodes=(Opcode.BINARY,))
    texts = facts.session.track(from_client=True, opcodes=(Opcode.TEXT,))
    counts = f"{plural(len(binary), 'binary frame')} and {plural(len(texts), 'text frame')}"
    frames = tuple(binary.numbers[:5])
    out = [Evidence(f"the app sent {counts}", frames, None, float(len(binary)), "frames")]
    empty = binary.where(not length for length in binary.lengths)
    if empty:
        many = plural(len(empty), "binary frame is", "binary frames are")
        text = f"{many} empty: {frame_list(empty.numbers)}"
        t_ns = empty.times_ns[0]
        out.append(Evidence(text, tuple(empty.numbers[:5]), t_ns, float(len(empty)), "frames"))
    return out


def results_received(facts: SessionFacts) -> list[Evidence]:
    """How many messages the server sent, and when the first and the last one."""
    opcodes = (Opcode.TEXT, Opcode.BINARY)
    answers = facts.session.track(from_client=False, opcodes=opcodes).until(facts.ended_ns)
    if not answers:
        return [Evidence("the server sent no message", (), None, 0.0, "messages")]
    first, last = answers.times_ns[0], answers.times_ns[-1]
    text = (
        f"the server sent {plural(len(answers), 'message')}, the first "
        f"{seconds(first - facts.opened_ns):.2f} s after the upgrade, the last "
        f"{seconds(facts.ended_ns - last):.1f} s before the end"
    )
    frames = (answers.numbers[0], answers.numbers[-1])
    return [Evidence(text, frames, last, float(len(answers)), "messages")]


def ping_pong(facts: SessionFacts) -> list[Evidence]:
    """How many pings each side sent, and how many of them were not answered."""
    out = []
    for from_client in (True, False):
        pings = facts.session.track(from_client=from_client, opcodes=(Opcode.PING,))
        if not pings:
            continue
        pongs = facts.session.track(from_client=not from_client, opcodes=(Opcode.PONG,))
        missing = max(0, len(pings) - len(pongs))
        side = "app" if from_client else "server"
        text = f"the {side} sent {plural(len(pings), 'ping')}, {missing} of them unanswered"
        frames = tuple(pings.numbers[-5:])
        out.append(Evidence(text, frames, pings.times_ns[-1], float(missing), "pings"))
    return out


def who_ended(facts: SessionFacts) -> list[Evidence]:
    """Which side ended the session, and the last frame before that."""
    session, end = facts.session, facts.ended_ns
    if session.closed_by is None:
        return []
    side = "app" if session.closed_by == "client" else "server"
    at = seconds(end - facts.opened_ns)
    out = [Evidence(f"the {side} ended the session {at:.2f} s after the upgrade", (), end, at, "s")]
    number = session.close.frame - 1 if session.close else session.frame_count
    if number >= 1:
        frame = session.frame(number)
        who = "app" if frame.from_client else "server"
        ago = seconds(end - frame.t_ns)
        what = f"{frame.opcode} from the {who}, {frame.length} bytes"
        text = f"the last frame before that: {what}, {ago:.2f} s earlier"
        out.append(Evidence(text, (frame.number,), frame.t_ns, ago, "s"))
    return out


def failure(facts: SessionFacts) -> list[Evidence]:
    """The failures outside of frames: DNS, TCP, TLS, proxy and so on, with the host's name."""
    request = facts.session.request
    host = f" of {quoted(request.host, 100)}" if request is not None else ""
    return [
        Evidence(f"{f.where}{host}: {quoted(f.message, 200)}", (), f.t_ns, seconds(f.t_ns), "s")
        for f in facts.session.failures
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
