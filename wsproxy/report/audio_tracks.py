"""The audio tracks of a session as JSON; docs/json.md describes each field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wsproxy.audio.report import AudioFault, AudioReport, RateEstimate, Region, Regions
from wsproxy.catalog import Api
from wsproxy.session import Session
from wsproxy.session.audio_track import WINDOW_NS, AudioTrack
from wsproxy.session.format_timeline import FormatDeclaration, format_timeline
from wsproxy.session.size_histogram import Place
from wsproxy.wording import plural

from .safe_text import safe


def tracks_json(session: Session, api: Api | None) -> Iterator[dict[str, Any]]:
    """The tracks of both directions, those with the most audio of each first."""
    for from_client in (True, False):
        for track in session.audio.tracks(from_client=from_client):
            yield _track(session, api, track)


def track_lines(session: Session, api: Api | None) -> Iterator[str]:
    """The tracks as lines for people: carrier, amount, format, level, faults."""
    for from_client in (True, False):
        for track in session.audio.tracks(from_client=from_client):
            formats = format_timeline(session, api, track, from_client=from_client)
            declared = formats.at(track.first.t_ns) if track.first is not None else None
            report = track.signal(declared)
            where = f" in {track.json_field}" if track.json_field else ""
            parts = [
                f"{'app →' if from_client else '← server'} audio: {track.carrier}{where}",
                f"{plural(track.messages, 'message')}, {report.duration_s:.1f} s",
                f"declared: {declared}" if declared is not None else _undeclared(track, api),
                f"speech: {report.speech.seconds:.1f} s",
            ]
            if report.rms_dbfs is not None:
                parts.append(f"level: {report.rms_dbfs:.1f} dBFS")
            parts += [f"{fault.kind} at {fault.where.start_s:.1f} s" for fault in report.faults]
            yield safe("; ".join(parts))


def _declared_in(track: AudioTrack, api: Api | None) -> str:
    """The request outside of the trace that declares the format; empty if there is none."""
    return api.audio.declared_in if api is not None and track.from_client else ""


def _undeclared(track: AudioTrack, api: Api | None) -> str:
    request = _declared_in(track, api)
    if not request:
        return "no format declared"
    return f"format not declared in this trace, but in {request} before it"


def _track(session: Session, api: Api | None, track: AudioTrack) -> dict[str, Any]:
    formats = format_timeline(session, api, track, from_client=track.from_client)
    first = track.first
    declared = formats.at(first.t_ns) if first is not None else None
    gap, fastest = track.longest_gap, track.fastest
    return {
        "from_client": track.from_client,
        "carrier": track.carrier,
        "field": track.json_field or None,
        "certain": track.known,
        "messages": track.messages,
        "fragmented": track.fragmented,
        "bytes": track.size,
        "first": _place(first),
        "last": _place(track.last),
        "declared_formats": [_declaration(each) for each in formats.declarations],
        "declared_in": _declared_in(track, api) or None,
        "sniffed": track.kind or None,
        "chunk_bytes": {
            "min": track.sizes.shortest,
            "p50": track.sizes.median,
            "max": track.sizes.longest,
        },
        "longest_gap": {
            "seconds": _rounded(gap.length_ns / 1e9),
            "t_ns": gap.at_ns,
            "after_frame": gap.after_frame,
        },
        "pace": _rounded(track.pace(declared)) if declared and declared.bytes_per_second else None,
        "fastest": {
            "seconds": WINDOW_NS / 1e9,
            "bytes": fastest.size,
            "at": _place(fastest.start),
        },
        "signal": _signal(track.signal(declared)),
    }


def _declaration(each: FormatDeclaration) -> dict[str, Any]:
    return {
        "frame": each.frame,
        "t_ns": each.t_ns,
        "source": each.source,
        "encoding": each.format.encoding or None,
        "rate": each.format.rate or None,
        "channels": each.format.channels,
    }


def _signal(report: AudioReport) -> dict[str, Any]:
    return {
        "container": report.container or None,
        "rate": report.rate or None,
        "channels": report.channels or None,
        "duration_s": _rounded(report.duration_s),
        "rms_dbfs": _rounded(report.rms_dbfs),
        "peak_dbfs": _rounded(report.peak_dbfs),
        "speech_dbfs": _rounded(report.speech_dbfs),
        "dc_offset": _rounded(report.dc_offset),
        "clipped_share": _rounded(report.clipped_share),
        "channel_correlation": _rounded(report.channel_correlation),
        "bandwidth_hz": _rounded(report.bandwidth_hz),
        "arrival": _arrival(report.rate_estimate),
        "silence": _regions(report.silence),
        "near_silence": _regions(report.near_silence),
        "clipping": _regions(report.clipping),
        "speech": _regions(report.speech),
        "faults": [_fault(fault) for fault in report.faults],
        "unmeasured": list(report.unmeasured),
    }


def _arrival(estimate: RateEstimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "rate": estimate.rate or None,
        "samples_per_second": _rounded(estimate.arrival_rate),
        "chunk_samples": estimate.chunk_samples,
        "interval_ms": _rounded(estimate.interval_ms),
    }


def _regions(regions: Regions) -> dict[str, Any]:
    return {
        "count": regions.count,
        "seconds": _rounded(regions.seconds),
        "regions": [_region(region) for region in regions.kept],
    }


def _region(region: Region) -> dict[str, Any]:
    return {
        "start_s": _rounded(region.start_s),
        "end_s": _rounded(region.end_s),
        "frame": region.frame,
        "t_ns": region.t_ns,
    }


def _fault(fault: AudioFault) -> dict[str, Any]:
    figures = {
        name: value if isinstance(value, str) else _rounded(value)
        for name, value in fault.figures.items()
    }
    return {"kind": fault.kind, **_region(fault.where), "figures": figures}


def _place(place: Place | None) -> dict[str, int] | None:
    return None if place is None else {"frame": place.frame, "t_ns": place.t_ns}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
