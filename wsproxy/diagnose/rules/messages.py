"""Rules about messages: their kinds, frames, sizes and order; and who answered the upgrade."""

from __future__ import annotations

import re
from bisect import bisect_left
from difflib import get_close_matches

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.envelope import json_object
from wsproxy.catalog.success import EMPTY
from wsproxy.diagnose.evidence import Evidence, frame_list, quoted, seconds
from wsproxy.diagnose.gateways import gateway_name
from wsproxy.diagnose.measurements import is_json
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.audio_carrier import BASE64_TEXT, BINARY
from wsproxy.wire import Opcode
from wsproxy.wording import plural

_AFTER_EMPTY = 5.0  # seconds in which a server closes after an empty message
_GRACE = 2.0  # seconds after the last audio in which a result may still come
_WAITED = 20.0  # seconds after a flush from which on an app waits for an end that never comes
_MINUTE = 60 * 10**9  # ns
_KIND = 60  # characters of a message's kind that are compared
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}\s*")


def json_as_binary(facts: SessionFacts) -> list[Evidence]:
    """A control message was sent in a binary frame, where the API takes it for audio."""
    if facts.api is None:
        return _text_among_audio(facts)
    kinds, name = facts.vocabulary.client, facts.vocabulary.kind
    if not kinds or facts.api.envelope or not name:
        return []
    found = []
    for binary in facts.session.binaries(from_client=True):
        if not binary.data.lstrip().startswith(b"{"):
            continue  # audio, which takes long to decode as text
        content = json_object(binary.data.decode("utf-8", "replace"))
        kind = content.get(name) if content else None
        if isinstance(kind, str) and kind in kinds:
            found.append((binary, kind))
    if not found:
        return []
    first, kind = found[0]
    numbers = tuple(binary.frame for binary, _ in found)
    text = f"{quoted(kind)} was sent in a binary frame, {plural(len(found), 'time')}: "
    text += frame_list(numbers)
    return [Evidence(text, numbers[:5], first.t_ns, float(len(found)), "messages")]


def _text_among_audio(facts: SessionFacts) -> list[Evidence]:
    """JSON in a binary message, where other JSON of the app is text, and its audio is binary."""
    texts, audio = facts.session.messages(from_client=True), facts.audio
    written = next((m for m in texts if is_json(m.text)), None)
    if written is None or not audio.from_client or audio.carrier != BINARY or not audio.messages:
        return []
    found = [
        binary
        for binary in facts.session.binaries(from_client=True)
        if binary.data.lstrip().startswith(b"{")
        and json_object(binary.data.decode("utf-8", "replace")) is not None
    ]
    if not found or len(found) > audio.messages // 2:
        return []
    numbers = tuple(binary.frame for binary in found)
    shown = quoted(found[0].data.decode("utf-8", "replace"), 60)
    text = f"{shown} was sent in a binary message, as audio is ({frame_list(numbers)}); frame "
    text += f"{written.frame} of the app has its JSON in a text message"
    return [Evidence(text, numbers[:5], found[0].t_ns, float(len(found)), "messages")]


def invalid_json(facts: SessionFacts) -> list[Evidence]:
    """A text message of the app is neither JSON nor a word that the API knows."""
    kinds = facts.vocabulary.client
    if not kinds or facts.api is None or facts.api.envelope:
        return []
    broken = {number for number, _ in facts.session.broken}  # such as compressed unasked
    bad = [
        message
        for message in facts.session.messages(from_client=True)
        if message.t_ns <= facts.ended_ns
        and message.frame not in broken
        and message.complete  # what follows may complete the JSON
        and message.text.strip() not in kinds
        and not is_json(message.text)
        and not _BASE64.fullmatch(message.text.strip())  # `text_as_audio` reports it
    ]
    if not bad:
        return []
    numbers = tuple(message.frame for message in bad)
    many = plural(len(bad), "text is", "texts are")
    text = f"{many} not valid JSON: {frame_list(numbers)}: {quoted(bad[0].text, 60)}"
    return [Evidence(text, numbers[:5], bad[0].t_ns, float(len(bad)), "messages")]


def unknown_kind(facts: SessionFacts) -> list[Evidence]:
    """The app sent a message of a kind that the API does not have."""
    kinds = facts.vocabulary.client
    if not kinds:
        return []
    # Without a field for the kind, one of the message's names has to be known.
    is_named = bool(facts.vocabulary.kind)
    odd = [
        message
        for message in _before_end(facts)
        if message.kind
        and message.kind not in kinds
        and (is_named or not any(name in kinds for name in message.content))
    ]
    if not odd:
        return []
    first = odd[0]
    near = get_close_matches(
        first.kind[:_KIND].lower(), [k.lower() for k in kinds], n=1, cutoff=0.6
    )
    meant = next((k for k in kinds if near and k.lower() == near[0]), "")
    numbers = tuple(message.frame for message in odd)
    text = f"the API has no message {quoted(first.kind, 40)} ({frame_list(numbers)})"
    text += f"; the nearest is {meant}" if meant else f"; its messages are {', '.join(kinds[:8])}"
    return [Evidence(text, numbers[:5], first.t_ns, float(len(odd)), "messages")]


def _before_end(facts: SessionFacts) -> list[ServerMessage]:
    return [message for message in facts.client_json if message.t_ns <= facts.ended_ns]


def text_as_audio(facts: SessionFacts) -> list[Evidence]:
    """The app sent base64 in text messages, and the API expects audio in binary frames."""
    audio = facts.api.audio if facts.api else None
    if audio is None or audio.origin != "client" or audio.carrier != "binary":
        return []
    out = []
    for track in facts.session.audio.tracks(from_client=True):
        if track.carrier != BASE64_TEXT:
            continue
        frames = [place.frame for place in track.first_places]
        text = f"{plural(track.messages, 'text')} in base64; the API expects audio in binary "
        text += f"messages: {frame_list(frames, of=track.messages)}"
        first_ns = track.first_places[0].t_ns
        out.append(Evidence(text, tuple(frames[:5]), first_ns, float(track.messages), "messages"))
    return out


def message_too_big(facts: SessionFacts) -> list[Evidence]:
    """A message is larger than the API allows."""
    limit = facts.limits.message
    if not limit:
        return []
    big = facts.sent.large.select(lambda size: size > limit)
    if not big:
        return []
    text = f"{plural(big.count, 'message')} of more than {limit} bytes, the largest has "
    text += f"{big.longest}: {frame_list(big.frames, of=big.count)}"
    return [Evidence(text, big.frames[:5], big.places[0].t_ns, float(big.longest), "bytes")]


def too_many_characters(facts: SessionFacts) -> list[Evidence]:
    """One message has more text to synthesize than the API allows."""
    limit = facts.limits.characters
    long = [(length, message) for length, message in facts.texts_to_speak if length > limit]
    if not limit or not long:
        return []
    most = max(length for length, _ in long)
    numbers = tuple(message.frame for _, message in long)
    text = f"{plural(len(long), 'message')} with over {limit} characters to speak, the longest "
    text += f"with {most}: {frame_list(numbers)}"
    return [Evidence(text, numbers[:5], long[0][1].t_ns, float(most), "characters")]


def flush_too_often(facts: SessionFacts) -> list[Evidence]:
    """The app flushed more often in a minute than the API allows."""
    limit, kinds = facts.limits.flushes, facts.vocabulary.flush
    flushes = [message for message in facts.client_json if message.kind in kinds]
    if not limit or len(flushes) <= limit:
        return []
    times = [message.t_ns for message in flushes]
    counts = [bisect_left(times, t_ns + _MINUTE) - at for at, t_ns in enumerate(times)]
    most = max(counts)
    if most <= limit:
        return []
    first = flushes[counts.index(most)]
    text = f"{most} {first.kind} messages in a minute, from frame {first.frame}; "
    text += f"the limit is {limit}"
    return [Evidence(text, (first.frame,), first.t_ns, float(most), "messages")]


def empty_message(facts: SessionFacts) -> list[Evidence]:
    """The server ended the session right after a binary message of the app without content.

    Several APIs take it as the end of the audio. Sent right after the last audio, it may be
    meant so; sent when the next audio was due, it hardly is.
    """
    session, usual = facts.session, facts.audio.cursor.median_interval_ns
    ends = timeline.api.success.answers if (timeline := session.timeline) and timeline.api else ()
    if any(pattern.kind == EMPTY for answer in ends for pattern in answer.after):
        return []  # the API's own way to end
    empty = session.traffic.totals(Opcode.BINARY, from_client=True).empty.select(lambda _: True)
    if not empty.count or session.closed_by != "server" or not facts.audio.messages:
        return []
    if any(message.kind in facts.vocabulary.end for message in facts.client_json):
        return []
    place = empty.places[-1]
    since = seconds(facts.ended_ns - place.t_ns)
    before = [f.t_ns for f in session.frames(from_client=True) if f.number < place.frame]
    if since > _AFTER_EMPTY or not before or place.t_ns - before[-1] < usual / 2:
        return []
    text = f"frame {place.frame} of the app is an empty binary message, which ends the stream; "
    text += f"the server closed {since:.2f} s later"
    return [Evidence(text, (place.frame,), place.t_ns, round(since, 2), "s")]


def data_after_end(facts: SessionFacts) -> list[Evidence]:
    """The app sent more after its end message."""
    end = _end_message(facts)
    if end is None:
        return []
    frame, kind = end
    late = facts.session.traffic.data_after(frame, from_client=True)
    if not late:
        return []
    text = f"{plural(late.count, 'frame')} after {quoted(kind)} (frame {frame}): "
    text += frame_list(late.frames, of=late.count)
    return [Evidence(text, late.frames[:5], late.places[0].t_ns, float(late.count), "frames")]


def _end_message(facts: SessionFacts) -> tuple[int, str] | None:
    """The app's end message: its frame and kind."""
    kinds = facts.vocabulary.end
    for message in facts.client_json:
        if message.kind in kinds:
            return message.frame, message.kind
    for text in facts.session.messages(from_client=True):
        if text.text.strip() in kinds:
            return text.frame, text.text.strip()
    return None


def no_graceful_end(facts: SessionFacts) -> list[Evidence]:
    """The app closed right after its last audio, without an end message."""
    last = facts.audio.last
    if not facts.vocabulary.end or facts.client_format is None or last is None:
        return []
    if facts.session.closed_by != "client" or _end_message(facts) is not None:
        return []
    since = seconds(facts.ended_ns - last.t_ns)
    if since > _GRACE:
        return []
    kinds = " or ".join(facts.vocabulary.end)
    text = (
        f"the app closed {since:.2f} s after its last audio (frame {last.frame}) without {kinds}: "
        "the end of the transcript may be missing"
    )
    return [Evidence(text, (last.frame,), last.t_ns, since, "s")]


def flushed_only(facts: SessionFacts) -> list[Evidence]:
    """The app's last message asks for the results so far; it waited, and left without an end.

    It covers transcription: of speech output, an app may listen to what it asked for.
    """
    vocabulary, last, session = facts.vocabulary, facts.sent.last, facts.session
    if not vocabulary.end or last is None or session.closed_by != "client":
        return []
    if facts.api is None or facts.api.audio.origin != "client":
        return []
    flush = _last_but_keepalives(facts)
    if flush is None or flush.kind not in vocabulary.flush or _end_message(facts) is not None:
        return []
    since = seconds(facts.ended_ns - flush.t_ns)
    if since < _WAITED:
        return []
    kinds = " or ".join(vocabulary.end)
    text = f"the app's last message is {flush.kind} (frame {flush.frame}), which ends no session: "
    text += f"{kinds} does; the app closed {since:.1f} s later"
    return [Evidence(text, (flush.frame,), flush.t_ns, round(since, 2), "s")]


def _last_but_keepalives(facts: SessionFacts) -> ServerMessage | None:
    """The app's last message, if it is JSON; keepalives after it count if it got no answer."""
    messages, last = list(facts.client_json), facts.sent.last
    if last is None or not messages or messages[-1].frame != last.frame:
        return None
    while messages and messages[-1].kind in facts.vocabulary.keepalive:
        messages.pop()
    if not messages or messages[-1].frame == last.frame:
        return messages[-1] if messages else None
    found, audio, timeline = messages[-1], facts.audio.last, facts.session.timeline
    answered = timeline is None or (timeline.last_server_ns or 0) > found.t_ns
    return None if answered or (audio is not None and audio.frame > found.frame) else found


def audio_before_ready(facts: SessionFacts) -> list[Evidence]:
    """The app sent audio before the server reported that it was ready."""
    kinds = facts.vocabulary.ready
    if not kinds or facts.client_format is None or not facts.audio:
        return []
    ready = next((message.t_ns for message in facts.server_json if message.kind in kinds), None)
    if ready is None:
        return []
    early = [place for place in facts.audio.first_places if place.t_ns < ready]
    if not early:
        return []
    count = max(len(early), facts.audio.cursor.count_at(ready - 1))
    frames = [place.frame for place in early]
    text = f"{plural(count, 'audio message')} before {' or '.join(kinds)}: "
    text += frame_list(frames, of=count)
    return [Evidence(text, tuple(frames[:5]), early[0].t_ns, float(count), "messages")]


def audio_before_turn(facts: SessionFacts) -> list[Evidence]:
    """The app marks its turns itself, and sent audio before the first one began."""
    manual, path = facts.vocabulary.manual_turns, facts.vocabulary.turn_start
    first = facts.audio.first if facts.client_format is not None else None
    if manual is None or not path or first is None:
        return []
    if not any(manual.matches(message.kind, message.content) for message in facts.client_json):
        return []
    starts = (m.frame for m in facts.client_json if field_of(m.content, path) is not None)
    begun = next(starts, None)
    if begun is not None and begun < first.frame:
        return []
    name = path.rpartition(".")[2]
    when = f"before {name} (frame {begun})" if begun is not None else f"without {name}"
    text = f"the first audio (frame {first.frame}) was sent {when}"
    return [Evidence(text, (first.frame,), first.t_ns, None, None)]


def sent_again(facts: SessionFacts) -> list[Evidence]:
    """The app sent a message again that a session takes once."""
    for kind in facts.vocabulary.once:
        sent = [message for message in facts.client_json if message.kind == kind]
        if len(sent) > 1:
            numbers = tuple(message.frame for message in sent)
            text = f"{kind} was sent {plural(len(sent), 'time')}: {frame_list(numbers)}"
            return [Evidence(text, numbers[:5], sent[1].t_ns, float(len(sent)), "messages")]
    return []


def nested_in_itself(facts: SessionFacts) -> list[Evidence]:
    """All fields of a message are in an object that has the name of the message's kind."""
    path = facts.vocabulary.kind
    for message in facts.client_json if facts.api is not None and path else ():
        kind, inner = message.kind, message.content.get(message.kind)
        if set(message.content) != {path, kind} or not isinstance(inner, dict) or not inner:
            continue
        names = ", ".join(quoted(name, 40) for name in list(inner)[:3])
        text = f"{quoted(kind, 60)} has {names} in an object of its own name, and not beside "
        text += f"{path} (frame {message.frame})"
        return [Evidence(text, (message.frame,), message.t_ns)]
    return []


def other_model(facts: SessionFacts) -> list[Evidence]:
    """The server's description of the session has another model than the app's message."""
    asked = [(m, name) for m in facts.client_json if (name := _session_model(m))]
    if not asked:
        return []
    wanted, model = asked[-1]
    answers = (m for m in facts.server_json if m.frame > wanted.frame)
    answer = next(((m, name) for m in answers if (name := _session_model(m))), None)
    if answer is None or _is_same_model(model, answer[1]):
        return []
    used, other = answer
    text = f"the app asked for {quoted(model, 80)} (frame {wanted.frame}); the server uses "
    text += f"{quoted(other, 80)} (frame {used.frame})"
    return [Evidence(text, (wanted.frame, used.frame), used.t_ns, None, None)]


def _session_model(message: ServerMessage) -> str:
    session = message.content.get("session")
    model = session.get("model") if isinstance(session, dict) else None
    return model if isinstance(model, str) else ""


def _is_same_model(one: str, other: str) -> bool:
    """Whether one name may be an alias of the other, such as one without its date."""
    names = [name.rpartition("/")[2].lower().removesuffix("-latest") for name in (one, other)]
    return names[0].startswith(names[1]) or names[1].startswith(names[0])


def pings_unanswered(facts: SessionFacts) -> list[Evidence]:
    """A side's last pings were not answered."""
    out = []
    for from_client in (True, False):
        open_ones = facts.session.traffic.open_pings[from_client]
        if open_ones.count < 2:
            continue
        side, other = ("app", "server") if from_client else ("server", "app")
        waited = seconds(facts.ended_ns - open_ones.first_ns)
        text = f"the last {open_ones.count} pings of the {side} were not answered by the {other} "
        text += f"for {waited:.1f} s: {frame_list(open_ones.frames, of=open_ones.count)}"
        numbers = tuple(open_ones.frames)
        count = float(open_ones.count)
        out.append(Evidence(text, numbers, open_ones.first_ns, count, "pings"))
    return out


def gateway_between(facts: SessionFacts) -> list[Evidence]:
    """A gateway in front of the API answered the upgrade."""
    session, response = facts.session, facts.session.response
    if response is None or session.accepted or 300 <= response.status < 400:
        return []
    body = (response.body or b"").decode("utf-8", "replace")
    html = body.lstrip().lower().startswith(("<!doctype", "<html"))
    # Many APIs are behind such a server: only its HTML page shows that it answered itself.
    if not html:
        return []
    name = gateway_name(session)
    who = f", and it names {quoted(name)}" if name else ""
    text = f"HTTP {response.status} came with an HTML page{who}; the API does not respond with HTML"
    return [Evidence(text, (), response.t_ns, float(response.status), "HTTP status")]


def page_for_upgrade(facts: SessionFacts) -> list[Evidence]:
    """An ordinary page came in place of the upgrade, with a status of success."""
    response = facts.session.response
    if response is None or not 200 <= response.status < 300 or not gateway_between(facts):
        return []
    text = f"HTTP {response.status} with a page"
    return [Evidence(text, (), response.t_ns, float(response.status), "HTTP status")]


RULES: tuple[Measure, ...] = (
    json_as_binary,
    invalid_json,
    unknown_kind,
    text_as_audio,
    audio_before_ready,
    audio_before_turn,
    sent_again,
    nested_in_itself,
    other_model,
    message_too_big,
    too_many_characters,
    flush_too_often,
    empty_message,
    data_after_end,
    no_graceful_end,
    flushed_only,
    pings_unanswered,
    gateway_between,
    page_for_upgrade,
)
