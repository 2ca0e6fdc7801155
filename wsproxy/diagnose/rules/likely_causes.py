"""Rules for what is not wrong by itself, but a likely cause of a failure that happened.

The causes of conditions name these rules (`when`). A cause is listed first where its rule finds
evidence in the session. No condition has one as its match.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.audio.containers import container_name
from wsproxy.audio.encodings import PCM16, SAMPLE_KINDS
from wsproxy.audio.sniff import TEXT_KINDS, sniff
from wsproxy.catalog.success import MessagePattern
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.measurements import audio_and_wall_seconds
from wsproxy.diagnose.session_facts import (
    SETUP_MESSAGES,
    Measure,
    ServerMessage,
    SessionFacts,
)
from wsproxy.session.request_query import query_pairs
from wsproxy.session.size_histogram import Place
from wsproxy.wire.parser import UNASKED_COMPRESSION
from wsproxy.wording import plural

from .carriers import base64_for_audio, wrong_carrier
from .credentials import subprotocols_without_space, unlike_own_keys
from .messages import json_as_binary, pings_unanswered
from .signal import other_samples, wrong_rate

MIN_STOPPED = 1.0  # seconds without audio at the end
_NOT_ENDED = 6.0  # seconds after the audio in which an app that ends it would have done so
_MIN_INTERVALS = 5  # the same, in usual intervals between audio messages
_FIRM = 0.015  # between the rate of arrival and a standard sample rate, for the jitter of timers
_TELEPHONE = 8000  # bytes a second of one channel
_MIN_TELEPHONE = 50  # messages
_SOON = 2.0  # seconds after the app's last message in which an answer may still be on its way
_WAITED = 5.0  # seconds of silence that were sent after the speech, in which an answer comes
_COMPRESSED = ("ogg", "webm", "opus", "flac", "mp3", "mpeg", "aac", "mp4", "amr")
INTERIM_SETTINGS = ("interim_results", "enable_partials", "interimResults", "partial_results")
_MIN_PINGS = 2  # without an answer
_IGNORED = 5.0  # seconds without an answer after which the end of the audio was ignored
_AHEAD = 3.0  # times real time
_AHEAD_BY = 20.0  # seconds of audio that a live source could not have had yet
_IDLE = 20.0  # seconds without a frame after which a gateway may end a connection


def no_audio(facts: SessionFacts) -> list[Evidence]:
    """The app sent no audio at all, and nothing in its place."""
    if facts.client_format is None or not facts.session.accepted or facts.audio.messages:
        return []
    if facts.measured(wrong_carrier):
        return []
    return [Evidence("the app sent no audio at all", (), facts.ended_ns, 0.0, "messages")]


def arrives_at_lower_rate(facts: SessionFacts) -> list[Evidence]:
    """The audio arrives as from a live source at a lower sample rate than the declared one.

    A file that is sent slowly looks the same, so this is a cause of a failure only. Where the
    pitch of the voice shows more, `wrong_rate` reports it.
    """
    declared, estimate, first = _declared_rate(facts), facts.signal.rate_estimate, facts.audio.first
    if companded := _arrives_as_companded(facts):
        return companded
    if not declared or estimate is None or first is None or not estimate.rate:
        return []
    is_firm = abs(estimate.arrival_rate / estimate.rate - 1) <= _FIRM
    if not is_firm or estimate.rate >= declared or facts.measured(wrong_rate):
        return []
    text = (
        f"{estimate.arrival_rate:.0f} samples arrive in a second, as from a live source at "
        f"{estimate.rate} Hz; declared: {declared} Hz. A file that is sent at "
        f"{estimate.arrival_rate / declared:.2f} times real time looks the same"
    )
    return [Evidence(text, (first.frame,), first.t_ns, float(estimate.rate), "Hz")]


def _declared_rate(facts: SessionFacts) -> int:
    """The rate of the app's samples by the declared format, or else by their WAV header; or 0."""
    if facts.client_format is not None:
        return facts.client_format.rate
    if not facts.audio.from_client or facts.signal.container != "WAV":
        return 0
    return next((d.format.rate for d in reversed(facts.timeline.declarations)), 0)


def _arrives_as_companded(facts: SessionFacts) -> list[Evidence]:
    """The audio arrives at the pace of a telephone's 8-bit samples; more of them are declared.

    Where the format was declared again during the audio, what came after that is examined.
    """
    audio, declared = facts.audio, facts.timeline.declarations
    if not audio.from_client or audio.first is None or audio.last is None or not declared:
        return []
    form, begun_ns = declared[-1].format, declared[-1].t_ns
    samples = form.samples
    if samples is None or samples.law is not None or not form.bytes_per_second:
        return []
    start, before = audio.first, 0
    if begun_ns > start.t_ns:
        start, before = Place(declared[-1].frame, begun_ns), audio.cursor.size_at(begun_ns)
    if audio.messages - (audio.cursor.count_at(begun_ns) if before else 0) < _MIN_TELEPHONE:
        return []
    size: float = audio.size - before - audio.last_size
    wall = seconds(audio.last.t_ns - start.t_ns)
    if not before:
        length, wall = audio_and_wall_seconds(facts, form, without_pauses=True)
        size = length * form.bytes_per_second
    pace = size / wall if wall > 1.0 else 0.0
    if abs(pace / _TELEPHONE - 1) > _FIRM or facts.measured(other_samples):
        return []
    text = (
        f"{pace:.0f} bytes arrive in a second, as from a telephone: mu-law or A-law at 8000 Hz; "
        f"declared: {quoted(form.encoding)} at {form.rate} Hz"
    )
    text += f" (frame {start.frame})" if before else ""
    return [Evidence(text, (start.frame,), start.t_ns, round(pace), "bytes/s")]


def no_response_begun(facts: SessionFacts) -> list[Evidence]:
    """The app requested an answer, and the server began none in all of the session."""
    if facts.api is None:
        return []
    requests = facts.api.exchange.turns.request
    begins = [p for answer in facts.api.success.answers for p in answer.after_server]
    if not begins or not _any(requests, facts.client_json) or _any(begins, facts.server_json):
        return []
    return [Evidence(f"no {begins[0]} came in the session", (), None, 0.0, "messages")]


def _any(patterns: Sequence[MessagePattern], messages: Sequence[ServerMessage]) -> bool:
    return any(p.matches(m.kind, m.content) for p in patterns for m in messages)


def only_keepalives(facts: SessionFacts) -> list[Evidence]:
    """The app kept the session open and sent no audio."""
    names = facts.vocabulary.keepalive
    kept = [message for message in facts.client_json if message.kind in names]
    if not kept or not no_audio(facts):
        return []
    text = f"the app sent {plural(len(kept), 'keepalive')} and no audio"
    return [Evidence(text, (kept[0].frame,), kept[0].t_ns, float(len(kept)), "messages")]


def audio_stopped(facts: SessionFacts) -> list[Evidence]:
    """The app sent audio regularly, in a form that the API takes, then stopped."""
    if facts.measured(base64_for_audio) or facts.measured(wrong_carrier):
        return []
    audio = facts.audio
    if facts.client_format is None or audio.messages < 3 or audio.last is None:
        return []
    usual, since = audio.cursor.median_interval_ns, facts.ended_ns - audio.last.t_ns
    if seconds(since) < MIN_STOPPED or since < _MIN_INTERVALS * usual:
        return []
    text = (
        f"audio came every {usual / 1e6:.0f} ms until frame {audio.last.frame}, "
        f"{seconds(since):.1f} s before the end"
    )
    return [Evidence(text, (audio.last.frame,), audio.last.t_ns, seconds(since), "s")]


def audio_not_ended(facts: SessionFacts) -> list[Evidence]:
    """The app's last message is audio: it did not tell the server that it has ended."""
    sent = facts.sent.last
    if not facts.audio.from_client or sent is None or not facts.ends_with_audio:
        return []
    if facts.measured(json_as_binary):
        return []
    if not facts.audio.last_size or any(
        m.kind in facts.vocabulary.flush for m in facts.client_json
    ):
        return []
    since = seconds(facts.ended_ns - sent.t_ns)
    if since < _NOT_ENDED:
        return []
    text = f"its last message is audio (frame {sent.frame}, {since:.1f} s before the end)"
    if ends := facts.vocabulary.end:
        text += f", and no {' or '.join(ends)} came"
    return [Evidence(text, (sent.frame,), sent.t_ns, round(since, 1), "s")]


def raw_undeclared(facts: SessionFacts) -> list[Evidence]:
    """The app sends raw samples, declares no encoding, and no words came of them."""
    declared, head = facts.client_format, facts.client_audio_head
    if declared is None or declared.encoding or not head:
        return []
    timeline = facts.session.timeline
    if timeline is not None and timeline.transcript.words:
        return []
    kind = sniff(head)
    if kind not in SAMPLE_KINDS:
        return []
    return [_audio_evidence(facts, f"the audio is raw {kind}, and no encoding is declared")]


def text_for_audio(facts: SessionFacts) -> list[Evidence]:
    """The app sends text in place of audio."""
    head = facts.client_audio_head
    if not head or (kind := sniff(head)) not in TEXT_KINDS:
        return []
    shown = quoted(head[:40].decode("latin-1"), 40)
    return [_audio_evidence(facts, f"the audio messages contain {kind}: {shown}")]


def container_and_encoding(facts: SessionFacts) -> list[Evidence]:
    """The app sends a container, and declares raw samples."""
    declared, head = facts.timed_format, facts.client_audio_head
    if declared is None or not head:
        return []
    kind = container_name(head)
    if kind is None:
        return []
    return [_audio_evidence(facts, f"the audio is {kind}; declared: {declared}")]


def small_chunks(facts: SessionFacts) -> list[Evidence]:
    """Most audio messages are shorter than the API allows."""
    limits, declared, audio = facts.limits, facts.timed_format, facts.audio
    if declared is None or audio.messages < 2 or audio.first is None:
        return []
    middle = declared.duration(audio.sizes.median)
    if not middle < limits.shortest_chunk:
        return []
    text = f"duration of the {audio.messages} audio messages: p50 {middle * 1000:.0f} ms"
    return [Evidence(text, (audio.first.frame,), audio.first.t_ns, middle * 1000, "ms")]


def large_chunks(facts: SessionFacts) -> list[Evidence]:
    """There are audio messages longer than the API allows."""
    limits, declared, audio = facts.limits, facts.timed_format, facts.audio
    if declared is None or not audio or not limits.longest_chunk:
        return []
    longest = audio.sizes.longest
    if declared.duration(longest) <= limits.longest_chunk:
        return []
    place = audio.sizes.select(lambda size: size >= longest).places[0]
    milliseconds = declared.duration(longest) * 1000
    text = f"frame {place.frame} holds {milliseconds:.0f} ms of audio"
    return [Evidence(text, (place.frame,), place.t_ns, milliseconds, "ms")]


def short_rest(facts: SessionFacts) -> list[Evidence]:
    """Only the last audio message is shorter than the API allows."""
    limits, declared, audio = facts.limits, facts.timed_format, facts.audio
    if declared is None or audio.messages < 2 or audio.last is None:
        return []
    least = limits.shortest_chunk * declared.bytes_per_second
    short = audio.sizes.select(lambda size: size < least)
    if audio.last_size >= least or short.count > 1:
        return []
    milliseconds = declared.duration(audio.last_size) * 1000
    text = f"the last audio message (frame {audio.last.frame}) lasts {milliseconds:.0f} ms"
    return [Evidence(text, (audio.last.frame,), audio.last.t_ns, milliseconds, "ms")]


def written_by_hand(facts: SessionFacts) -> list[Evidence]:
    """The last text message is an object as a programming language prints it."""
    for message in facts.session.messages(from_client=True)[-1:]:
        if message.text.lstrip().startswith(("{'", "[object ")):
            text = f"frame {message.frame} is a printed object, not JSON: "
            text += quoted(message.text, 60)
            length = float(len(message.text))
            return [Evidence(text, (message.frame,), message.t_ns, length, "characters")]
    return []


def idle_at_end(facts: SessionFacts) -> list[Evidence]:
    """Nobody had sent a frame for a while when the connection ended."""
    session, number = facts.session, facts.session.frame_count
    if not number or session.close is not None:
        return []
    last = session.frame(number)
    silent = seconds(facts.ended_ns - last.t_ns)
    if silent < _IDLE:
        return []
    text = f"neither side sent a frame in the {silent:.1f} s before the end (last: frame {number})"
    return [Evidence(text, (number,), last.t_ns, round(silent, 1), "s")]


def sent_ahead(facts: SessionFacts) -> list[Evidence]:
    """Much more audio was sent than a live source could have, and the connection broke.

    Most services take a little more than real time, and stop to read when they have too much.
    """
    declared, session, audio = facts.timed_format, facts.session, facts.audio
    if declared is None or not declared.from_client or session.close is not None:
        return []
    length, wall = declared.duration(audio.size), seconds(audio.span_ns)
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    if audio.messages < 2 or length < _AHEAD * wall or length - lasted < _AHEAD_BY:
        return []
    first = audio.first_places[0]
    text = f"{length:.1f} s of audio were sent in {wall:.1f} s, and the connection ended after "
    text += f"{lasted:.1f} s"
    return [Evidence(text, (first.frame,), first.t_ns, round(length, 1), "s")]


def end_ignored(facts: SessionFacts) -> list[Evidence]:
    """The app's last message is an empty binary one, and nothing answered it."""
    sent, audio = facts.sent.last, facts.audio
    if sent is None or audio.last is None or audio.last.frame != sent.frame or audio.last_size:
        return []
    since = seconds(facts.ended_ns - sent.t_ns)
    if since < _IGNORED:
        return []
    text = f"frame {sent.frame} is an empty binary message, which had no answer for {since:.1f} s"
    text += "; an empty text message ends the audio as well"
    return [Evidence(text, (sent.frame,), sent.t_ns, round(since, 1), "s")]


def compressed_unasked(facts: SessionFacts) -> list[Evidence]:
    """The app compressed a message, and permessage-deflate was not agreed on."""
    session = facts.session
    found = [
        number
        for number, rule in session.broken
        if rule == UNASKED_COMPRESSION and session.frame(number).from_client
    ]
    if not found:
        return []
    answered = session.response_header("sec-websocket-extensions")
    text = f"frame {found[0]} has the bit RSV1, and the server's answer to the upgrade names "
    text += quoted(answered, 60) if answered else "no extension"
    return [Evidence(text, tuple(found[:5]), session.time_of(found[0]), None, None)]


def raw_for_container(facts: SessionFacts) -> list[Evidence]:
    """The app declares a container or a codec, and sends raw samples."""
    head = facts.client_audio_head
    if not head or (kind := sniff(head)) not in SAMPLE_KINDS:
        return []
    declared = facts.timeline.declarations
    named = [each for each in declared if each.format.encoding.endswith(_COMPRESSED)]
    if not named or named[-1] is not declared[-1]:
        return []
    name = quoted(named[-1].format.encoding, 60)
    return [_audio_evidence(facts, f"the audio is, by its statistics, {kind}; declared: {name}")]


def undocumented_audio(facts: SessionFacts) -> list[Evidence]:
    """The app declares a sample rate, or a number of channels, that the API does not document."""
    audio = facts.api.audio if facts.api else None
    declared = facts.timeline.declarations
    if audio is None or not declared or not facts.audio.from_client:
        return []
    form, explicit = declared[-1].format, declared[-1].explicit
    rate_is_odd = "rate" in explicit and audio.rates and form.rate not in audio.rates
    many = "channels" in explicit and audio.channels and form.channels not in audio.channels
    if not rate_is_odd and not many:
        return []
    rates = " or ".join(map(str, audio.rates))
    text = f"{form.rate} Hz, {plural(form.channels, 'channel')}; documented: {rates} Hz, "
    return [_audio_evidence(facts, text + plural(max(audio.channels, default=1), "channel"))]


def undeclared_audio(facts: SessionFacts) -> list[Evidence]:
    """What the audio for a server that is not in the catalog is, where no encoding is declared."""
    head, declared = facts.client_audio_head, facts.timeline.declarations
    if facts.api is not None or not head or (declared and declared[-1].format.encoding):
        return []
    container = container_name(head)
    kind = container or sniff(head)
    if container is None and kind not in SAMPLE_KINDS:
        return []
    how = "" if container else ", by its statistics,"
    text = f"the audio is{how} {kind}, and no encoding is declared"
    if container and declared and declared[-1].format.rate:
        text += f", only a sample rate ({declared[-1].format.rate} Hz), as for raw samples"
    return [_audio_evidence(facts, text)]


def sound_is_undeclared(facts: SessionFacts) -> bool:
    """Whether there is sound in audio whose encoding, and so its duration, nothing declares.

    Of a container nobody knows, unless a sample rate is declared, as for raw samples.
    """
    head = facts.client_audio_head
    declared = facts.timeline.declarations
    has_rate = bool(declared and declared[-1].format.rate)
    return bool(undeclared_audio(facts)) and (has_rate or container_name(head) is None)


def interim_off(facts: SessionFacts) -> list[Evidence]:
    """Interim results are off, and the app did not end the audio."""
    ends = facts.vocabulary.end
    if not ends or any(message.kind in ends for message in facts.client_json):
        return []
    settings = [("the URL", dict(query_pairs(facts.session.request)))]
    settings += [(f"frame {m.frame}", m.content) for m in facts.client_json[:SETUP_MESSAGES]]
    for place, values in settings:
        for name in INTERIM_SETTINGS:
            if name in values and str(values[name]).lower() == "false":
                text = f"{name} is false ({place}), and the app sent no {' or '.join(ends)}"
                return [Evidence(text)]
    return []


def half_sample(facts: SessionFacts) -> list[Evidence]:
    """The last audio message ends in the middle of a 16-bit sample."""
    audio, declared = facts.audio, facts.client_format
    if not audio.from_client or audio.last is None or audio.last_size % 2 == 0:
        return []
    samples = declared.samples if declared is not None else None
    is_pcm16 = samples.is_pcm16 if samples else sniff(facts.client_audio_head) == PCM16
    if not is_pcm16 or audio.sizes.select(lambda size: size % 2 == 1).count > 1:
        return []
    text = f"the last one (frame {audio.last.frame}) has {audio.last_size} bytes, an odd number"
    return [Evidence(text, (audio.last.frame,), audio.last.t_ns, float(audio.last_size), "bytes")]


def left_soon(facts: SessionFacts) -> list[Evidence]:
    """The app left so soon after its last data that an answer could hardly have come."""
    session, last = facts.session, facts.session.traffic.data[True].last
    if session.closed_by != "client" or last is None:
        return []
    since = seconds(facts.ended_ns - last.t_ns)
    if since > _SOON or _waited_in_silence(facts):
        return []
    text = f"the app left {since:.1f} s after its last message (frame {last.frame})"
    return [Evidence(text, (last.frame,), last.t_ns, round(since, 2), "s")]


def _waited_in_silence(facts: SessionFacts) -> bool:
    """Whether the app sent silence for as long as an answer may take, and left then."""
    timeline = facts.session.timeline
    spoke_ns = timeline.sent.speech_ns if timeline is not None else None
    if spoke_ns is None or facts.audio.last is None:
        return False
    return seconds(facts.audio.last.t_ns - spoke_ns) >= _WAITED


def app_pings_unanswered(facts: SessionFacts) -> list[Evidence]:
    """The app's last pings were not answered: a reason for it to leave."""
    if facts.session.traffic.open_pings[True].count < _MIN_PINGS:
        return []
    return pings_unanswered(facts)[:1]


def _audio_evidence(facts: SessionFacts, text: str) -> Evidence:
    """Evidence at the first audio message."""
    first = facts.audio.first
    numbers = (first.frame,) if first else ()
    t_ns = first.t_ns if first else None
    return Evidence(text, numbers, t_ns, float(len(facts.client_audio_head)), "bytes examined")


RULES: tuple[Measure, ...] = (
    no_audio,
    arrives_at_lower_rate,
    no_response_begun,
    only_keepalives,
    audio_stopped,
    audio_not_ended,
    raw_undeclared,
    text_for_audio,
    container_and_encoding,
    small_chunks,
    large_chunks,
    short_rest,
    written_by_hand,
    idle_at_end,
    sent_ahead,
    end_ignored,
    compressed_unasked,
    raw_for_container,
    left_soon,
    undocumented_audio,
    undeclared_audio,
    interim_off,
    half_sample,
    app_pings_unanswered,
    unlike_own_keys,
    subprotocols_without_space,
)
