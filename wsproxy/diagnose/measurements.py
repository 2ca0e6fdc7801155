"""Checks: each measures one thing in a session and reports figures and frame numbers.

A check is a pure function of `SessionFacts`. The catalog names the checks that measure the cause
of a condition. They apply to failed and successful sessions; whether a figure is wrong is decided
by `rules`.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from wsproxy.audio.containers import container_name
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.sniff import sniff
from wsproxy.catalog.envelope import read
from wsproxy.session import Session
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.size_histogram import Place, SizeSelection
from wsproxy.wire import Opcode
from wsproxy.wording import plural

from .evidence import Evidence, frame_list, quoted, seconds
from .session_facts import Measure, SessionFacts
from .wav_header import wav_header_fields

WINDOW = 5.0  # seconds of the window in which the fastest pace is measured
_SHORT = 1.0  # seconds of silence that are nothing unusual
_LIVE = (0.9, 1.1)  # times real time of a live source
RATED = 10.0  # seconds of session from which on a rate of characters is meaningful
_TOO_BIG = 1009
_OF_CREDENTIALS = (101, 401, 403)  # statuses after which a credential may be at fault


def silence_before_close(facts: SessionFacts) -> list[Evidence]:
    """How long the app had been silent when the session ended, and its longest silence."""
    end, sent = facts.ended_ns, facts.sent
    out = []
    if facts.client_format is not None:
        out.append(_silence("audio", facts.audio.last, facts.opened_ns, end))
        if facts.audio.last == sent.last:
            return [*out, *_longest_silence(facts)]
    return [*out, _silence("message", sent.last, facts.opened_ns, end), *_longest_silence(facts)]


def _silence(what: str, last: Place | None, opened_ns: int, end: int) -> Evidence:
    if last is None:
        value = seconds(end - opened_ns)
        text = f"the app sent no {what} in the {value:.1f} s from the upgrade to the end"
        return Evidence(text, (), end, value, "s")
    value = seconds(end - last.t_ns)
    text = f"the app's last {what} was {value:.1f} s before the end (frame {last.frame})"
    return Evidence(text, (last.frame,), last.t_ns, value, "s", detail=value < _SHORT)


def _longest_silence(facts: SessionFacts) -> list[Evidence]:
    if not facts.sent.count:
        return []
    gap, at, before = facts.sent.longest_gap(facts.opened_ns, facts.ended_ns)
    after = f"after frame {before}" if before else "after the upgrade"
    text = f"the app's longest silence was {seconds(gap):.1f} s, {after}"
    frames, is_short = (before,) if before else (), seconds(gap) < _SHORT
    return [Evidence(text, frames, at, seconds(gap), "s", detail=is_short)]


def first_audio_delay(facts: SessionFacts) -> list[Evidence]:
    """The time from the upgrade to the first audio."""
    first = facts.audio.first
    if first is None:
        return []
    value = seconds(first.t_ns - facts.opened_ns)
    text = f"the first audio came {value:.2f} s after the upgrade (frame {first.frame})"
    return [Evidence(text, (first.frame,), first.t_ns, value, "s", detail=value < _SHORT)]


def audio_pace(facts: SessionFacts) -> list[Evidence]:
    """The pace of the audio, in times real time: over the session and in its fastest window."""
    declared, audio = facts.declared_format, facts.audio
    if declared is None or audio.first is None or audio.last is None:
        return _no_audio(facts)
    first, last = audio.first, audio.last
    # Of compressed audio the size says nothing, whatever is declared.
    if not declared.bytes_per_second or container_name(audio.head) not in (None, "WAV"):
        text = f"{plural(audio.messages, 'message')} of audio, {audio.size} bytes; declared: "
        return [Evidence(text + str(declared), (), first.t_ns, float(audio.size), "bytes")]
    length, wall = audio_and_wall_seconds(facts, declared)
    pace = length / wall
    text = f"{length:.1f} s of audio in {wall:.1f} s: {pace:.1f} times real time"
    frames = (first.frame, last.frame)
    is_live = _LIVE[0] <= pace <= _LIVE[1]
    out = [Evidence(text, frames, first.t_ns, round(pace, 2), "x", detail=is_live)]
    worst, start = fastest_window(audio, declared)
    if worst:
        text = (
            f"fastest {WINDOW:.0f} s: {worst * WINDOW:.1f} s of audio "
            f"({worst:.1f} times real time), from frame {start.frame}"
        )
        out.append(Evidence(text, (start.frame,), start.t_ns, round(worst, 2), "x"))
    return out


def audio_and_wall_seconds(
    facts: SessionFacts, declared: AudioFormat, *, without_pauses: bool = False
) -> tuple[float, float]:
    """Seconds of audio, and seconds from its first chunk to the end of playing its last one.

    Args:
        without_pauses: leave out times without audio that may be meant: those in which the app
            sent a keepalive, and the longest of the others.
    """
    audio = facts.audio
    wall = max(seconds(audio.span_ns), 0.001) + declared.duration(audio.last_size)
    changed = len({d.format for d in facts.timeline.declarations}) > 1
    length = facts.timeline.seconds(audio) if changed else declared.duration(audio.size)
    if without_pauses:
        wall -= seconds(audio.meant_pauses_ns + audio.longest_other_ns)
    return length, wall


def _no_audio(facts: SessionFacts) -> list[Evidence]:
    if facts.declared_format is None or not facts.session.accepted:
        return []
    side = "app" if facts.declared_format.from_client else "server"
    return [Evidence(f"the {side} sent no audio at all", (), None, 0.0, "s")]


def fastest_window(audio: AudioTrack, declared: AudioFormat) -> tuple[float, Place]:
    """The WINDOW seconds with the most audio.

    Returns:
        The pace in times real time, and where the window starts; 0.0 where the audio is shorter
        than a window.
    """
    start = audio.fastest.start
    if audio.span_ns <= WINDOW * 1e9 or start is None:
        return 0.0, Place(0, 0)
    return declared.duration(audio.fastest.size) / WINDOW, start


def chunk_durations(facts: SessionFacts) -> list[Evidence]:
    """The durations of the audio messages, and which messages are outside the limits."""
    declared, audio = facts.timed_format, facts.audio
    if declared is None or audio.first is None:
        return []
    sizes = (audio.sizes.shortest, audio.sizes.longest, audio.sizes.median)
    shortest, longest, middle = (1000 * declared.duration(size) for size in sizes)
    spread = f"{shortest:.0f} to {longest:.0f} ms, p50 {middle:.0f} ms"
    last = spread if round(shortest) != round(longest) else f"{middle:.0f} ms each"
    text = f"audio messages last {last} ({declared})"
    out = [Evidence(text, (), audio.first.t_ns, round(middle, 1), "ms")]
    odd = outside_limits(facts, declared)
    if odd:
        limits = facts.limits
        many = plural(odd.count, "message is", "messages are")
        span = f"{limits.shortest_chunk * 1000:.0f} to {limits.longest_chunk * 1000:.0f} ms"
        text = f"{many} outside {span}: {frame_list(odd.frames, of=odd.count)}"
        first = odd.places[0].t_ns
        out.append(Evidence(text, odd.frames[:5], first, float(odd.count), "messages"))
    return out


def outside_limits(facts: SessionFacts, declared: AudioFormat) -> SizeSelection:
    """Audio messages that are shorter or longer than the API allows."""
    limits = facts.limits
    if not limits.longest_chunk:
        return SizeSelection()
    rate = declared.bytes_per_second
    low, high = limits.shortest_chunk * rate, limits.longest_chunk * rate
    return facts.audio.sizes.select(lambda size: not low <= size <= high)


def audio_decodable(facts: SessionFacts) -> list[Evidence]:
    """What the first bytes of the audio are, and the declared format."""
    declared = facts.declared_format
    if declared is None:
        return []
    head = facts.audio.head if facts.audio.from_client is declared.from_client else b""
    if not head:
        return []
    kind = sniff(head)
    text = f"the first bytes sent as audio are {kind} ({head[:8].hex(' ')}); declared: {declared}"
    frames = tuple(place.frame for place in facts.audio.first_places[:1])
    return [Evidence(text, frames, None, float(len(head)), "bytes examined")]


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
    ago = seconds(facts.ended_ns - last.t_ns)
    if any(number == last.frame for number, _ in facts.session.broken):
        # Such as one that is compressed, to which nobody agreed: its content is unknown.
        text = f"the app's last text, {ago:.2f} s before the end, is in a frame that breaks a rule"
        return [Evidence(f"{text} (frame {last.frame})", (last.frame,), last.t_ns, ago, "s")]
    envelope = facts.api.envelope if facts.api else ""
    in_envelope = bool(envelope) and read(envelope, last.text)[0] is not None
    what = (
        "in the API's form" if in_envelope else "JSON" if is_json(last.text) else "not valid JSON"
    )
    text = f"the app's last text, {ago:.2f} s before the end, is {what}: {quoted(last.text)}"
    is_valid = what != "not valid JSON"
    return [Evidence(text, (last.frame,), last.t_ns, ago, "s", detail=is_valid)]


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
        status, unit = float(response.status), "HTTP status"
        out.append(Evidence(text.rstrip(), (), response.t_ns, status, unit, detail=True))
        if not session.accepted and response.body:
            body = quoted(response.body.decode("utf-8", "replace"), 160)
            size = float(max(response.body_length, len(response.body)))
            out.append(Evidence(f"response body: {body}", (), response.t_ns, size, "bytes"))
    for name in ("dg-error", "www-authenticate", "retry-after", "location"):
        value = session.response_header(name)
        if value is not None:
            out.append(Evidence(f"{name}: {quoted(value, 160)}", ()))
    if request is not None:
        asked = f"requested {quoted(_path_and_query(request.path), 200)}"
        # Of a path that does not exist, what was asked for says the most.
        first = response is not None and response.status == 404 and not response.body
        out.insert(0 if first else len(out), Evidence(asked, (), request.t_ns))
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
    status = session.response.status if session.response is not None else 0
    lengths = [r.get("length") for r in request.redacted if type(r.get("length")) is int]
    sizes = f", {', '.join(map(str, lengths))} characters" if lengths else ""
    text = f"the request's credential was in: {quoted(', '.join(places), 120)}{sizes}"
    return Evidence(text, (), request.t_ns, detail=status not in _OF_CREDENTIALS)


def session_duration(facts: SessionFacts) -> list[Evidence]:
    """How long the session had been open when it ended."""
    if not facts.session.accepted:
        return []
    value = seconds(facts.ended_ns - facts.opened_ns)
    text = f"the session ended {value:.1f} s after the upgrade"
    return [Evidence(text, (), facts.ended_ns, value, "s", detail=True)]


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
    """The largest frame of the app; of the server, where the app did not accept its size."""
    by_server = facts.session.closed_by == "client" and facts.close_code == _TOO_BIG
    frame = facts.session.traffic.data[not by_server].largest
    if frame is None:
        return []
    what = f"{frame.opcode}, frame {frame.number}"
    side = "server" if by_server else "app"
    text = f"the {side}'s largest frame has {frame.length} bytes ({what})"
    return [Evidence(text, (frame.number,), frame.t_ns, float(frame.length), "bytes")]


def binary_sent(facts: SessionFacts) -> list[Evidence]:
    """How many binary and text frames the app sent, and how many are empty."""
    binary = facts.session.traffic.totals(Opcode.BINARY, from_client=True)
    texts = facts.session.traffic.totals(Opcode.TEXT, from_client=True)
    counts = f"{plural(binary.count, 'binary frame')} and {plural(texts.count, 'text frame')}"
    frames = tuple(binary.first_frames)
    out = [Evidence(f"the app sent {counts}", frames, None, float(binary.count), "frames")]
    empty = binary.empty.select(lambda _: True)
    if empty:
        many = plural(empty.count, "binary frame is", "binary frames are")
        text = f"{many} empty: {frame_list(empty.frames, of=empty.count)}"
        first = empty.places[0].t_ns
        out.append(Evidence(text, empty.frames[:5], first, float(empty.count), "frames"))
    return out


def results_received(facts: SessionFacts) -> list[Evidence]:
    """How many messages the server sent, and when the first and the last one."""
    traffic = facts.session.traffic
    kinds = [traffic.totals(op, from_client=False) for op in (Opcode.TEXT, Opcode.BINARY)]
    kinds = [kind for kind in kinds if kind.count]
    if not kinds:
        return [Evidence("the server sent no message", (), None, 0.0, "messages")]
    count = sum(kind.count for kind in kinds)
    first_ns, first = min((kind.first_ns, min(kind.first_frames)) for kind in kinds)
    last_ns, last = max((kind.last_ns, max(kind.last_frames)) for kind in kinds)
    text = (
        f"the server sent {plural(count, 'message')}, the first "
        f"{seconds(first_ns - facts.opened_ns):.2f} s after the upgrade, the last "
        f"{seconds(facts.ended_ns - last_ns):.1f} s before the end"
    )
    return [Evidence(text, (first, last), last_ns, float(count), "messages", detail=True)]


def ping_pong(facts: SessionFacts) -> list[Evidence]:
    """How many pings each side sent, and how many of them were not answered."""
    out = []
    traffic = facts.session.traffic
    for from_client in (True, False):
        pings = traffic.totals(Opcode.PING, from_client=from_client)
        if not pings.count:
            continue
        pongs = traffic.totals(Opcode.PONG, from_client=not from_client)
        missing = max(0, pings.count - pongs.count)
        side = "app" if from_client else "server"
        text = f"the {side} sent {plural(pings.count, 'ping')}; {_unanswered(pings.count, missing)}"
        frames = tuple(sorted(pings.last_frames))
        out.append(Evidence(text, frames, pings.last_ns, float(missing), "pings"))
    return out


def _unanswered(pings: int, missing: int) -> str:
    if not missing:
        return "all were answered" if pings > 1 else "it was answered"
    return f"{missing} had no pong" if pings > missing else "no pong came"


def who_ended(facts: SessionFacts) -> list[Evidence]:
    """Which side ended the session, and the last frame before the end."""
    session, end = facts.session, facts.ended_ns
    if session.closed_by is None or not session.accepted:
        return []
    side = "app" if session.closed_by == "client" else "server"
    at = seconds(end - facts.opened_ns)
    text = f"the {side} ended the session {at:.2f} s after the upgrade"
    out = [Evidence(text, (), end, at, "s", detail=True)]
    frame = session.before_close
    if session.close is None and session.frame_count:
        frame = session.frame(session.frame_count)
    if frame is not None:
        who = "app" if frame.from_client else "server"
        ago = seconds(end - frame.t_ns)
        what = f"{frame.opcode} from the {who}, {frame.length} bytes"
        text = f"the last frame before the end: {what}, {ago:.2f} s earlier"
        is_soon = ago < _SHORT
        out.append(Evidence(text, (frame.number,), frame.t_ns, ago, "s", detail=is_soon))
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
        wav_header_fields,
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
