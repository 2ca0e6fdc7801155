"""What was said, in which kind of frame, in which order; and who else answered."""

from __future__ import annotations

import re
from bisect import bisect_left
from difflib import get_close_matches

from wsproxy.catalog.envelope import json_object
from wsproxy.diagnose.checks import is_json
from wsproxy.diagnose.evidence import Evidence, named, plural, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.wire import Opcode

_GRACE = 2.0  # seconds after the last audio in which a result may still come
_MINUTE = 60 * 10**9  # ns
_KIND = 60  # characters of a message's kind that are compared
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}\s*")

# Who answers in place of an API, by what they say of themselves.
_GATEWAYS = re.compile(
    r"(?i)nginx|cloudflare|envoy|awselb|akamai|varnish|haproxy|traefik|squid|cloudfront|"
    r"big-?ip|zscaler|istio|caddy|openresty|fortigate|blue ?coat"
)


def json_as_binary(case: SessionFacts) -> list[Evidence]:
    """A control message in a binary frame, where it counts as audio."""
    kinds, name = case.vocabulary.client, case.vocabulary.kind
    if not kinds or case.api is None or case.api.envelope or not name:
        return []
    found = []
    for binary in case.session.binaries(from_client=True):
        content = json_object(binary.data.decode("utf-8", "replace"))
        kind = content.get(name) if content else None
        if isinstance(kind, str) and kind in kinds:
            found.append((binary, kind))
    if not found:
        return []
    first, kind = found[0]
    numbers = tuple(binary.frame for binary, _ in found)
    text = f"{quoted(kind)} was sent in a binary frame, {plural(len(found), 'time')}: "
    text += named(numbers)
    return [Evidence(text, numbers[:5], first.t_ns, float(len(found)), "messages")]


def invalid_json(case: SessionFacts) -> list[Evidence]:
    """A text of the app that is neither JSON nor a word that the API knows."""
    kinds = case.vocabulary.client
    if not kinds or case.api is None or case.api.envelope:
        return []
    bad = [
        message
        for message in case.session.messages(from_client=True)
        if message.t_ns <= case.ended_ns
        and message.text.strip() not in kinds
        and not is_json(message.text)
    ]
    if not bad:
        return []
    numbers = tuple(message.frame for message in bad)
    many = "text is" if len(bad) == 1 else "texts are"
    text = f"{len(bad)} {many} no valid JSON: {named(numbers)}: {quoted(bad[0].text, 60)}"
    return [Evidence(text, numbers[:5], bad[0].t_ns, float(len(bad)), "messages")]


def unknown_kind(case: SessionFacts) -> list[Evidence]:
    """A message of a kind that the API does not have."""
    kinds = case.vocabulary.client
    if not kinds or not case.vocabulary.kind:
        return []
    odd = [said for said in _before_end(case) if said.kind and said.kind not in kinds]
    if not odd:
        return []
    first = odd[0]
    near = get_close_matches(
        first.kind[:_KIND].lower(), [k.lower() for k in kinds], n=1, cutoff=0.6
    )
    meant = next((k for k in kinds if near and k.lower() == near[0]), "")
    numbers = tuple(said.frame for said in odd)
    text = f"the API has no message {quoted(first.kind, 40)} ({named(numbers)})"
    text += f"; near it is {meant}" if meant else f"; it has {', '.join(kinds[:8])}"
    return [Evidence(text, numbers[:5], first.t_ns, float(len(odd)), "messages")]


def _before_end(case: SessionFacts) -> list[ServerMessage]:
    return [said for said in case.client_json if said.t_ns <= case.ended_ns]


def text_as_audio(case: SessionFacts) -> list[Evidence]:
    """Base64 in texts, where the API takes audio in binary frames."""
    audio = case.api.audio if case.api else None
    if audio is None or audio.origin != "client" or audio.carrier != "binary":
        return []
    found = [
        message
        for message in case.session.messages(from_client=True)
        if _BASE64.fullmatch(message.text.strip(' \t\r\n"'))
    ]
    if not found:
        return []
    numbers = tuple(message.frame for message in found)
    text = f"{plural(len(found), 'text')} of base64; the API takes audio as binary messages: "
    return [
        Evidence(text + named(numbers), numbers[:5], found[0].t_ns, float(len(found)), "messages")
    ]


def message_too_big(case: SessionFacts) -> list[Evidence]:
    """A message that is larger than the API takes."""
    limit = case.limits.message
    if not limit:
        return []
    big = case.sent.where(length > limit for length in case.sent.lengths)
    if not big:
        return []
    size = max(big.lengths)
    text = f"{plural(len(big), 'message')} of over {limit} bytes, the largest of {size}: "
    text += named(big.numbers)
    return [Evidence(text, tuple(big.numbers[:5]), big.times_ns[0], float(size), "bytes")]


def too_many_characters(case: SessionFacts) -> list[Evidence]:
    """More text to speak in one message than the API takes."""
    limit = case.limits.characters
    long = [(length, said) for length, said in case.spoken if length > limit]
    if not limit or not long:
        return []
    most = max(length for length, _ in long)
    numbers = tuple(said.frame for _, said in long)
    text = f"{plural(len(long), 'message')} with over {limit} characters to speak, the longest "
    text += f"with {most}: {named(numbers)}"
    return [Evidence(text, numbers[:5], long[0][1].t_ns, float(most), "characters")]


def flush_too_often(case: SessionFacts) -> list[Evidence]:
    """More flushes in a minute than the API takes."""
    limit, kinds = case.limits.flushes, case.vocabulary.flush
    flushes = [said for said in case.client_json if said.kind in kinds]
    if not limit or len(flushes) <= limit:
        return []
    times = [said.t_ns for said in flushes]
    counts = [bisect_left(times, t_ns + _MINUTE) - at for at, t_ns in enumerate(times)]
    most = max(counts)
    if most <= limit:
        return []
    first = flushes[counts.index(most)]
    text = f"{most} times {first.kind} in a minute from frame {first.frame}; the limit is {limit}"
    return [Evidence(text, (first.frame,), first.t_ns, float(most), "messages")]


def data_after_end(case: SessionFacts) -> list[Evidence]:
    """The app went on after it had said that it was done."""
    end = _end(case)
    if end is None:
        return []
    frame, kind = end
    late = case.sent.where(number > frame for number in case.sent.numbers)
    if not late:
        return []
    text = f"{plural(len(late), 'frame')} after {quoted(kind)} (frame {frame}): "
    text += named(late.numbers)
    numbers = tuple(late.numbers[:5])
    return [Evidence(text, numbers, late.times_ns[0], float(len(late)), "frames")]


def _end(case: SessionFacts) -> tuple[int, str] | None:
    """The app's message that ends its part: its frame and kind."""
    kinds = case.vocabulary.end
    for said in case.client_json:
        if said.kind in kinds:
            return said.frame, said.kind
    for message in case.session.messages(from_client=True):
        if message.text.strip() in kinds:
            return message.frame, message.text.strip()
    return None


def no_graceful_end(case: SessionFacts) -> list[Evidence]:
    """The app left right after its last audio, without the message that ends its part."""
    form, audio = case.format, case.audio.until(case.ended_ns)
    if not case.vocabulary.end or form is None or not form.from_client or not audio:
        return []
    if case.session.closed_by != "client" or _end(case) is not None:
        return []
    since = seconds(case.ended_ns - audio.times_ns[-1])
    if since > _GRACE:
        return []
    number = audio.numbers[-1]
    kinds = " or ".join(case.vocabulary.end)
    text = (
        f"the app left {since:.2f} s after its last audio (frame {number}) without {kinds}: "
        "what was said last may be missing from the results"
    )
    return [Evidence(text, (number,), audio.times_ns[-1], since, "s")]


def audio_before_ready(case: SessionFacts) -> list[Evidence]:
    """Audio came before the server had said that it is ready for it."""
    kinds, form = case.vocabulary.ready, case.format
    if not kinds or form is None or not form.from_client or not case.audio:
        return []
    ready = next((said.t_ns for said in case.server_json if said.kind in kinds), None)
    if ready is None or case.audio.times_ns[0] >= ready:
        return []
    early = case.audio.until(ready - 1)
    text = f"{plural(len(early), 'audio message')} before {' or '.join(kinds)}: "
    text += named(early.numbers)
    numbers = tuple(early.numbers[:5])
    return [Evidence(text, numbers, early.times_ns[0], float(len(early)), "messages")]


def pings_unanswered(case: SessionFacts) -> list[Evidence]:
    """A side's last pings were not answered."""
    out = []
    for from_client in (True, False):
        pings = case.session.track(from_client=from_client, opcodes=(Opcode.PING,))
        pings = pings.until(case.ended_ns)
        pongs = case.session.track(from_client=not from_client, opcodes=(Opcode.PONG,))
        last_pong = pongs.times_ns[-1] if pongs else 0
        open_ones = pings.where(t_ns > last_pong for t_ns in pings.times_ns)
        if len(open_ones) < 2:
            continue
        side, other = ("app", "server") if from_client else ("server", "app")
        waited = seconds(case.ended_ns - open_ones.times_ns[0])
        text = f"the last {len(open_ones)} pings of the {side} had no pong from the {other}, "
        text += f"for {waited:.1f} s: {named(open_ones.numbers)}"
        numbers = tuple(open_ones.numbers[:5])
        out.append(Evidence(text, numbers, open_ones.times_ns[0], float(len(open_ones)), "pings"))
    return out


def gateway_between(case: SessionFacts) -> list[Evidence]:
    """It was not the API that answered, but something in front of it."""
    session, response = case.session, case.session.response
    if response is None or session.accepted or response.status < 400:
        return []
    body = (response.body or b"").decode("utf-8", "replace")
    html = body.lstrip().lower().startswith(("<!doctype", "<html"))
    names = [session.response_header(name) or "" for name in ("server", "via", "x-cache")]
    said = " ".join([*names, *(re.findall(r"<center>([^<]{1,80})</center>", body))])
    found = _GATEWAYS.search(said)
    # Many APIs stand behind such a server, so its name alone says nothing: its page does.
    if not html:
        return []
    who = f", and it names {quoted(found[0])}" if found else ""
    text = f"HTTP {response.status} came with a page of HTML{who}; the API answers otherwise"
    return [Evidence(text, (), response.t_ns, float(response.status), "HTTP status")]


RULES: tuple[Measure, ...] = (
    json_as_binary,
    invalid_json,
    unknown_kind,
    text_as_audio,
    audio_before_ready,
    message_too_big,
    too_many_characters,
    flush_too_often,
    data_after_end,
    no_graceful_end,
    pings_unanswered,
    gateway_between,
)
