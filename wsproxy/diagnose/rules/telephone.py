"""Rules about the media streams of telephone services, whose client is the service itself.

Twilio, Telnyx, Exotel and others connect to the app and send JSON: `start`, `media`, `mark`,
`stop`. Vonage sends one JSON message with the format, and binary messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsproxy.audio.encodings import AudioFormat
from wsproxy.catalog.envelope import field as field_of
from wsproxy.diagnose.call import ASTERISK, JAMBONZ, VONAGE, is_media, starts_stream
from wsproxy.diagnose.evidence import Evidence, frame_list, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.audio_carrier import BINARY
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import encoding_and_rate
from wsproxy.wording import plural

from .received import received_other_samples

# Names of the id without which these services ignore what the app sends.
_STREAM_IDS = ("streamSid", "stream_sid")
_TO_STREAM = ("media", "mark", "clear")  # events of the app
_FRAME = 0.02  # seconds of each message that Vonage takes
_FASTEST = 30.0  # characters of a text that can be spoken in a second
_LASTING = 5.0  # seconds of a call whose pace means anything
_TOO_FAST = (1.25, 3.0)  # times real time; a program that sends a file is mostly faster
_SETUP = 3  # first messages of a stream


def start_of(facts: SessionFacts) -> ServerMessage | None:
    """The service's message with the format of the call; None where the peer is another one."""
    if facts.api is not None:
        return None
    return next((m for m in facts.client_json[:_SETUP] if starts_stream(m.content)), None)


def agent_audio(facts: SessionFacts) -> AudioTrack | None:
    """The audio that the app sends to the service."""
    tracks = facts.tracks(from_client=False)
    return tracks[0] if tracks else None


def stream_is_one_way(facts: SessionFacts) -> list[Evidence]:
    """The app sends audio to a stream of a telephone service that only listens."""
    start, sent = start_of(facts), agent_audio(facts)
    if start is None or sent is None or facts.session.timeline is None:
        return []
    tracks = field_of(start.content, "start.tracks")
    if not isinstance(tracks, list) or "outbound" not in tracks:
        return []
    text = (
        f"start lists both tracks, inbound and outbound (frame {start.frame}), as for a stream of "
        f"<Start>; the app sent it {plural(sent.messages, 'message')} with audio"
    )
    return [Evidence(text, (start.frame,), start.t_ns, float(sent.messages), "messages")]


def stream_not_started(facts: SessionFacts) -> list[Evidence]:
    """The audio of a call came without the message that starts its stream."""
    if facts.api is not None or not facts.client_json:
        return []
    first = facts.client_json[0]
    if not is_media(first.content):
        return []
    if any(message.content.get("event") == "start" for message in facts.client_json):
        return []
    text = f"the first message is media (frame {first.frame}), and no start message came"
    unnamed = _unnamed(facts)
    text += f"; {unnamed[0].text}" if unnamed else ""
    return [Evidence(text, (first.frame,), first.t_ns)]


def stream_unnamed(facts: SessionFacts) -> list[Evidence]:
    """What the app sends to a call does not name its stream, or names another one."""
    if facts.api is not None or facts.measured(stream_not_started):
        return []
    return _unnamed(facts)


def _unnamed(facts: SessionFacts) -> list[Evidence]:
    """Messages of the app that do not name the stream of the call."""
    name, stream = _stream(facts.client_json)
    sent = [m for m in facts.server_json if m.content.get("event") in _TO_STREAM]
    other = [m for m in sent if m.content.get(name) != stream]
    if not name or not other:
        return []
    first = other[0]
    given = first.content.get(name)
    what = f"with another {name} ({quoted(str(given), 40)})" if given else f"without {name}"
    text = f"the app sent {plural(len(other), 'message')} {what}, from frame {first.frame} on; "
    text += f"that of the call is {quoted(stream, 40)}"
    return [Evidence(text, (first.frame,), first.t_ns, float(len(other)), "messages")]


def _stream(messages: Sequence[ServerMessage]) -> tuple[str, str]:
    """The name of the id of a stream, and the id, as the service gives it; "" for none."""
    for message in messages[: _SETUP + 1]:
        start = message.content.get("start")
        for holder in (message.content, start if isinstance(start, Mapping) else {}):
            for name in _STREAM_IDS:
                if isinstance(value := holder.get(name), str) and value:
                    return name, value
    return "", ""


def telephone_frame_size(facts: SessionFacts) -> list[Evidence]:
    """A message of the app to Vonage is not as long as those that it takes."""
    sent, rate = agent_audio(facts), _vonage_rate(facts)
    if sent is None or sent.carrier != BINARY or not rate:
        return []
    size = round(AudioFormat("linear16", rate).bytes_per_second * _FRAME)
    other = sent.sizes.select(lambda each: each != size)
    if not other:
        return []
    many = plural(other.count, "message has", "messages have")
    sizes = f"{other.shortest}"
    sizes += f" to {other.longest}" if other.longest != other.shortest else ""
    text = f"{many} {sizes} bytes ({frame_list(other.frames, of=other.count)}); 20 ms of 16-bit "
    text += f"samples at {rate} Hz are {size}"
    if sent.header is not None and sent.first is not None:
        text += f"; the audio begins with a {sent.header.name} header (frame {sent.first.frame}), "
        text += "which is played as well"
    return [Evidence(text, other.frames[:5], other.places[0].t_ns, float(other.count), "messages")]


def _vonage_rate(facts: SessionFacts) -> int:
    """The rate of a call of Vonage, 0 where the peer is another one."""
    if facts.api is not None or not facts.client_json:
        return 0
    first = facts.client_json[0].content
    if first.get("event") != VONAGE:
        return 0
    encoding, rate = encoding_and_rate(str(first.get("content-type", "")))
    return rate if encoding == "linear16" else 0


def call_too_fast(facts: SessionFacts) -> list[Evidence]:
    """The audio of a call came faster than anybody speaks, though not as fast as a file is sent."""
    start, form, heard = start_of(facts), facts.only_format, facts.audio
    if start is None or form is None or not heard.from_client or heard.first is None:
        return []
    assert heard.last is not None
    wall = seconds(heard.last.t_ns - heard.first.t_ns)
    length = form.duration(heard.size)
    if wall < _LASTING or not _TOO_FAST[0] <= length / wall <= _TOO_FAST[1]:
        return []
    text = f"{length:.1f} s of the caller's audio came in {wall:.1f} s: {length / wall:.2f} times "
    text += "real time"
    return [Evidence(text, (heard.first.frame,), heard.first.t_ns, round(length / wall, 2), "x")]


def call_other_samples(facts: SessionFacts) -> list[Evidence]:
    """What an app sends to a call is in another encoding than that of the call."""
    return facts.measured(received_other_samples) if facts.is_call else []


def start_late(facts: SessionFacts) -> list[Evidence]:
    """Audio of the call came before the message that starts its stream."""
    tracks = facts.tracks(from_client=True)
    if facts.api is not None or not tracks or tracks[0].first is None:
        return []
    texts = facts.session.messages(from_client=True)
    told = [m.frame for m in texts if m.text.startswith(ASTERISK)]
    told += [m.frame for m in facts.client_json if starts_stream(m.content)]
    first = tracks[0].first
    if len(told) != 1 or first.frame > told[0]:
        return []
    text = f"audio came from frame {first.frame} on, and the message that says what it is, in "
    text += f"frame {told[0]}"
    return [Evidence(text, (told[0], first.frame), first.t_ns)]


def hung_up_on_text(facts: SessionFacts) -> list[Evidence]:
    """The app sent jambonz a text to speak, and hung up sooner than anybody can speak it."""
    if facts.api is not None or not facts.client_json:
        return []
    if facts.client_json[0].content.get("type") not in JAMBONZ:
        return []
    text: ServerMessage | None = None
    length = 0
    for message in facts.server_json:
        said = field_of(message.content, "data.tokens")
        if isinstance(said, str) and said.strip():
            text, length = message, length + len(said)
        if text is None or not _hangs_up(message):
            continue
        after = seconds(message.t_ns - text.t_ns)
        if after >= length / _FASTEST:
            return []
        shown = f"hangup (frame {message.frame}) came {after:.1f} s after the text of frame "
        shown += f"{text.frame}: {length} characters were to be spoken"
        return [Evidence(shown, (message.frame, text.frame), message.t_ns, round(after, 1), "s")]
    return []


def _hangs_up(message: ServerMessage) -> bool:
    verbs = message.content.get("data")
    each = verbs if isinstance(verbs, list) else [verbs]
    return any(isinstance(verb, Mapping) and verb.get("verb") == "hangup" for verb in each)


RULES: tuple[Measure, ...] = (
    stream_is_one_way,
    stream_not_started,
    stream_unnamed,
    telephone_frame_size,
    call_other_samples,
    call_too_fast,
    start_late,
    hung_up_on_text,
)
