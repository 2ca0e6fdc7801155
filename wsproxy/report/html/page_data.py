"""The data of a page, for its scripts.

Each part is the text of an element `<script type="application/json" id="data-PART">`, to be read
with `JSON.parse`. Audio is the text of `<script type="application/octet-stream" id="audio-N">`: the
file in base64. Nothing in them can end the element. All of it is text from a trace, so it has to
be shown with `textContent`, never as markup.

A page of two sessions has all of it twice: the ids of everything about the second one begin with
`b-` (`b-data-session`, `b-audio-0`, `b-f32`).

Static HTML: an element with `data-frame="N"` names a frame, one with `data-t="S"` a time, both
wherever they are; `id="fN"` is the row of a frame in the static table (not all frames have one);
`id="finding-N"` a finding, from 1; `article.track[data-track="N"]` a track, from 0; `#markdown` the
text for a bug report. `section#time` is empty and hidden: it is for the scripts.

Times (`t`, `start`, `end` of everything but audio) are seconds since the beginning of the session,
as `wsproxy show` prints them. `session.opened` is when the upgrade was accepted. Positions in
audio (`a`, and everything in `words`, `regions`, `faults`) are seconds of audio since the beginning
of that track. `tracks[].map` converts one to the other. Frames have the numbers of `wsproxy show`
and `explain`, from 1. `c` is the client (the app), `s` the server. An unknown value is null.

`session`
    version             of this contract: 1
    id, file            of the session; the name of its trace
    provider, api, host, url, status
    state               "failed", "good", "unproven", "open"
    verdict, head, reason, made_from    sentences
    outcome             "succeeded", "failed", "unproven"
    ending, closed_by, close_code, close_reason
    started_at          ISO 8601, UTC
    opened, ended, duration             seconds
    sent, received      {frames, bytes}
    request_ids, versions               [[name, value]]
    support, retry      sentences, "" for none
    incomplete          [sentence]: what is missing in the trace
    redacted            [sentence]: what a heuristic redacted

`findings`: [{
    id, severity        "error", "warning", "notice", "info"
    title, meaning, sentence (the server's own), class, retry, retry_note, confidence, disagreement
    evidence            [{text, frames: [number], t, value, unit}]
    causes, seen, remedies, related     [sentence]
    source              {document, section, url}
}], the most important first.

`frames`: columns, one value for each frame that is listed
    count               all frames of the session
    ranges              [[first, last]] the numbers of the listed frames, inclusive
    t                   [seconds]
    side                a string with "c" or "s" for each frame
    op                  a string with the opcode of each frame, a hexadecimal digit: "1" text,
                        "2" binary, "0" continuation, "8" close, "9" ping, "a" pong
    length              [bytes of the payload]
    content             [string]: of text (and its continuations) and Close frames the text, of all
                        others hexadecimal. Long base64 and long lists of numbers in it are
                        replaced: "… (8192 characters)", "… (4096 numbers)".
    short               [number]: frames of which `content` is only a part
    notes               {number: {fin: false, broken_rule, redacted, cut (bytes that were not
                        recorded), deflated: true}}, only what is unusual

`lanes`: what else happened in time
    gaps                [{side, start, end, after_frame}] a second or more without data frames of
                        one direction: the longest 20 of each, and the one before the end
    events              [{t, frame, side, category, message}] control events, as in
                        `show --timeline --json`
    connection          [{t, side, kind, text}] in their order. Kinds: "request", "response",
                        "bytes" (outside of frames), "close", "eof", "failure", "lost" (a gap of the
                        recorder; `end` is when it ended), "end"

`handshake`
    request             {method, url, version, headers: [[name, value]], body, redacted}; null if
                        the trace has none. `redacted`: [{where, name, length, why, fingerprint}]
    response            {status, reason, version, headers, body, body_length, redacted}; null
    facts               [[name, value]]: how it was recorded

`tracks`: [{
    side, carrier, field
    signal, declared_formats, chunk_bytes, pace, longest_gap    as in `show --timeline --json`
                        (`tracks`), with `t` in place of `t_ns`
    duration            seconds of audio
    map                 [[a, t, frame]]: at position `a` of the audio, frame number `frame` had
                        arrived at `t`. Linear between two points; two points with the same `a`:
                        nothing arrived between them. Its last `t` can be after the session's end.
    peaks               {per_second, low: [int], high: [int]} the lowest and the highest sample of
                        each interval, -127 to 127; null where nothing was decoded
    regions             {silence, near_silence, clipping, speech: [[start a, end a]]}
    faults              [{kind, start, end, frame, t, figures}]
    audio               {element, type, form, start, seconds, rate, channels}: an element with
                        base64 of a file of this media type; `start` is the position of its first
                        sample, `form` describes it. null where nothing is embedded
    note                a sentence: what is not embedded, and why; "" if all of it is
}]

`transcript`
    words, agent_words, finals, interims, empty, results_not_kept       counts
    results             [{frame, t, text, final, start, end, words, channel, turn, agent}]
                        `start`, `end`: positions in the app's audio; `words`: [[text, start,
                        end]] of the first 20,000 words of final results, [] where the
                        API gives none. Texts are shortened where they are very many

`latency`
    figures             {name: seconds}, as in `show --timeline --json`
    series              {name: {points: [[t, seconds, frame]], p50, p95, max}}. Names: "lag" (audio
                        that was sent when a result arrived, beyond the end of its place),
                        "utterances" (text to first audio), "turns" (end of the user's speech to the
                        first audio). `frame` is null where the timeline has none
`difference`, only on a page of two sessions, A and B (made in `pair_page`)
    verdict             "same", "different"
    summary, words      sentences
    equal               [names of the fields that are equal]
    differences         [{field, path, a, b (values as text), a_frame, b_frame, a_t, b_t}]
    first               the one of `differences` that is first in time; null if none has a time
    offset              seconds to add to a time of B: then both upgrades were accepted together
    latency             [{name, a, b}] seconds
    not_compared        [sentence]

`index`, only on the page of many sessions, which has no other part (made in `index_page`)
    summary             a sentence
    total, unreadable   counts of sessions
    sessions            [{file, page (a relative URL; null without one), began (Unix time),
                        duration, state, outcome, finding, severity, title, model,
                        latency: {name: seconds}}] the latest first, at most 5,000
    groups              [{id, severity, title, sentence, count, first, last, shares, file, page}]
    across              findings of several sessions together, as in `explain --json`
    times               {start, step (seconds), failed, unproven, succeeded, unknown: [count]} how
                        many sessions began in each step of time; null if no time is known
    latency             {name: {count, p50, p95, max}} over the sessions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wsproxy.report import json_schema
from wsproxy.report.audio_tracks import tracks_json
from wsproxy.report.explanation import Explanation
from wsproxy.report.safe_text import short

from .embedded_audio import EmbeddedAudio
from .frame_table import (
    TableFrame,
    content_of,
    is_shortened,
    ranges_of,
)
from .handshake_data import handshake_data, url_of
from .reading import SessionContent
from .seconds import seconds_of, side_of
from .speech_data import event_data, latency_data, transcript_data
from .track_data import element_id, track_data

VERSION = 1
_MAX_EVIDENCE = 50  # frames of one piece of evidence
_MAX_LINES = 100
_TEXT = 500  # characters


def page_data(
    content: SessionContent,
    explained: Explanation,
    audio: Sequence[EmbeddedAudio | None],
    prefix: str = "",
) -> dict[str, Any]:
    """The parts of a page's data, by their names.

    Args:
        audio: of each of the content's tracks.
        prefix: of the ids of the session's elements.
    """
    table = content.frames
    return {
        **parts_besides_frames(content, explained, audio, prefix),
        "frames": frame_columns(list(table), table.count, table.limits()),
    }


def parts_besides_frames(
    content: SessionContent,
    explained: Explanation,
    audio: Sequence[EmbeddedAudio | None],
    prefix: str = "",
) -> dict[str, Any]:
    """The parts of a page's data without the frames; arguments as for `page_data`."""
    timeline = content.timeline
    return {
        "session": session_data(content, explained),
        "findings": findings_data(explained),
        "lanes": {
            "gaps": gaps_data(content),
            "events": [event_data(event) for event in timeline.events],
            "connection": connection_data(content),
        },
        "handshake": handshake_data(content.session),
        "tracks": [
            track_data(track, recorder, described, embedded, element_id(prefix, number))
            for number, ((track, recorder), described, embedded) in enumerate(
                zip(content.tracks, described_tracks(content), audio, strict=True)
            )
        ],
        "transcript": transcript_data(timeline.transcript),
        "latency": latency_data(timeline.latency),
    }


def described_tracks(content: SessionContent) -> list[dict[str, Any]]:
    """Each shown track, as `show --timeline --json` prints it."""
    api = content.timeline.api
    all_tracks = [
        t for side in (True, False) for t in content.session.audio.tracks(from_client=side)
    ]
    shown = [track for track, _ in content.tracks]
    described = zip(all_tracks, tracks_json(content.session, api), strict=True)
    return [each for track, each in described if any(track is one for one in shown)]


def session_data(content: SessionContent, explained: Explanation) -> dict[str, Any]:
    """The session itself."""
    session = content.session
    start, request, close = session.start, session.request, session.close
    return {
        "version": VERSION,
        "id": session.id,
        "file": short(content.name.name, _TEXT),
        "provider": session.provider,
        "api": session.api,
        "host": request.host if request else None,
        "url": url_of(request) if request else None,
        "status": session.response.status if session.response else None,
        "state": explained.state,
        "verdict": explained.verdict,
        "head": explained.head,
        "reason": explained.reason,
        "made_from": explained.made_from,
        "outcome": content.outcome.kind,
        "ending": session.ending,
        "closed_by": session.closed_by,
        "close_code": close.code if close else None,
        "close_reason": short(close.reason, _TEXT) if close else None,
        "started_at": json_schema.iso_time(start.started_at_ns) if start else None,
        "opened": seconds_of(session.opened_ns),
        "ended": seconds_of(session.ended_ns),
        "duration": seconds_of(session.duration_ns),
        "sent": {"frames": session.sent.frames, "bytes": session.sent.size},
        "received": {"frames": session.received.frames, "bytes": session.received.size},
        "request_ids": explained.request_ids,
        "versions": explained.versions,
        "support": explained.support,
        "retry": explained.retry,
        "incomplete": incomplete(content),
        "redacted": [short(text, _TEXT) for text in session.heuristic_redactions[:_MAX_LINES]],
    }


def incomplete(content: SessionContent) -> list[str]:
    """What is missing in the trace, a sentence each."""
    session = content.session
    lines = [short(session.unread, _TEXT)] if session.unread else []
    lines += [short(str(loss), _TEXT) for loss in session.losses[:_MAX_LINES]]
    lines += [f"not recorded: {short(gap.reason, _TEXT)}" for gap in session.gaps[:_MAX_LINES]]
    if session.end is None:
        lines.append("The session is still open, or its trace is truncated.")
    return lines


def findings_data(explained: Explanation) -> list[dict[str, Any]]:
    """The findings."""
    return [_finding(each) for each in json_schema.together(explained.findings)["findings"]]


def _finding(found: dict[str, Any]) -> dict[str, Any]:
    evidence = [
        {
            "text": each["text"],
            "frames": each["frames"][:_MAX_EVIDENCE],
            "t": seconds_of(each["t_ns"]),
            "value": each["value"],
            "unit": each["unit"],
        }
        for each in found["evidence"]
    ]
    return {**found, "evidence": evidence}


# -- frames


def frame_columns(
    listed: Sequence[TableFrame], count: int, limits: tuple[int, int]
) -> dict[str, Any]:
    """Frames in columns.

    Args:
        count: how many the session has.
        limits: bytes of a text, and of a binary payload, that are included.
    """
    return {
        "count": count,
        "ranges": ranges_of(listed),
        "t": [seconds_of(frame.t_ns) for frame in listed],
        "side": "".join(side_of(frame.from_client) for frame in listed),
        "op": "".join(f"{frame.opcode:x}" for frame in listed),
        "length": [frame.length for frame in listed],
        "content": [content_of(frame, limits) for frame in listed],
        "short": [frame.number for frame in listed if is_shortened(frame, limits)],
        "notes": {str(frame.number): frame.notes for frame in listed if frame.notes},
    }


def gaps_data(content: SessionContent) -> list[dict[str, Any]]:
    """Times without data frames of one direction."""
    return [
        {
            "side": side_of(from_client),
            "start": seconds_of(gap.start_ns),
            "end": seconds_of(gap.start_ns + gap.length_ns),
            "after_frame": gap.after_frame,
        }
        for from_client in (True, False)
        for gap in content.frames.gaps(content.session.ended_ns, from_client=from_client)
    ]


def connection_data(content: SessionContent) -> list[dict[str, Any]]:
    """Everything that is not a message, in its order."""
    return sorted(_connection(content), key=lambda each: each["t"])


def _connection(content: SessionContent) -> Iterator[dict[str, Any]]:
    session = content.session

    def item(t_ns: int, from_client: bool, kind: str, text: str) -> dict[str, Any]:
        side = side_of(from_client)
        return {"t": seconds_of(t_ns), "side": side, "kind": kind, "text": short(text, _TEXT)}

    if session.request is not None:
        yield item(session.request.t_ns, True, "request", session.request.method)
    if session.response is not None:
        text = f"HTTP {session.response.status} {session.response.reason}"
        yield item(session.response.t_ns, False, "response", text)
    for close in session.closes:
        yield item(
            close.t_ns, close.from_client, "close", f"{close.code or 'no code'} {close.reason}"
        )
    for piece in content.garbage:
        why = piece.broken_rule or "incomplete frame"
        yield item(piece.t_ns, piece.from_client, "bytes", f"{len(piece.data)} bytes: {why}")
    for direction in (session.sent, session.received):
        if direction.ended is not None:
            yield item(direction.ended.t_ns, direction is session.sent, "eof", direction.ended.how)
    for failure in session.failures:
        yield item(
            failure.t_ns, failure.from_client, "failure", f"{failure.where}: {failure.message}"
        )
    for gap in session.gaps:
        yield {**item(gap.t_ns, True, "lost", gap.reason), "end": seconds_of(gap.until_ns)}
    if session.end is not None:
        yield item(session.end.t_ns, session.closed_by == "client", "end", session.ending)
