"""The audio of a track for a page, see `page_data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsproxy.report.text import lasting, size
from wsproxy.session.audio_track import AudioTrack

from .embedded_audio import EmbeddedAudio
from .seconds import side_of
from .track_recorder import TrackRecorder

_REGIONS = ("silence", "near_silence", "clipping", "speech")
_KEPT_FROM_JSON = ("carrier", "field", "chunk_bytes", "pace")


def track_data(
    track: AudioTrack,
    recorder: TrackRecorder,
    described: Mapping[str, Any],
    audio: EmbeddedAudio | None,
    element: str,
) -> dict[str, Any]:
    """A track.

    Args:
        described: it, as `show --timeline --json` prints it.
        audio: what is embedded of it.
        element: the id of the element that has it.
    """
    figures = track_figures(track, described)
    duration = figures["duration"] or 0.0
    waveform = recorder.waveform
    return {
        **figures,
        "map": recorder.arrival.points(duration),
        "peaks": None
        if waveform is None
        else {
            "per_second": waveform.per_second,
            "low": list(waveform.low),
            "high": list(waveform.high),
        },
        **embedded_data(track, recorder, audio, element, duration),
    }


def track_figures(track: AudioTrack, described: Mapping[str, Any]) -> dict[str, Any]:
    """A track without what grows with each message, and without its audio.

    Args:
        described: as for `track_data`.
    """
    signal = dict(described["signal"])
    regions = {name: signal.pop(name) for name in _REGIONS}
    faults = signal.pop("faults")
    return {
        "side": side_of(track.from_client),
        **{name: described[name] for name in _KEPT_FROM_JSON},
        "declared_formats": [_with_seconds(each) for each in described["declared_formats"]],
        "longest_gap": _with_seconds(described["longest_gap"]),
        "signal": signal,
        "duration": signal["duration_s"],
        "regions": {
            name: [[each["start_s"], each["end_s"]] for each in found["regions"]]
            for name, found in regions.items()
        },
        "faults": [_fault(each) for each in faults],
    }


def embedded_data(
    track: AudioTrack,
    recorder: TrackRecorder,
    audio: EmbeddedAudio | None,
    element: str,
    duration: float,
) -> dict[str, Any]:
    """What a page has of the audio itself.

    Args:
        audio, element: as for `track_data`.
        duration: seconds of the track.
    """
    return {
        "audio": _audio(audio, element),
        "note": note(recorder, audio, track, duration),
    }


def element_id(prefix: str, number: int) -> str:
    """The id of the element with a track's audio.

    Args:
        prefix: of the session.
        number: of the track, from 0.
    """
    return f"{prefix}audio-{number}"


def _with_seconds(described: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a time `t` in seconds."""
    rest = {name: value for name, value in described.items() if name != "t_ns"}
    return {"t": round(described["t_ns"] / 1e9, 4), **rest}


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": fault["kind"],
        "t": round(fault["t_ns"] / 1e9, 4),
        "start": fault["start_s"],
        "end": fault["end_s"],
        "frame": fault["frame"],
        "figures": fault["figures"],
    }


def _audio(audio: EmbeddedAudio | None, element: str) -> dict[str, Any] | None:
    if audio is None:
        return None
    return {
        "element": element,
        "type": audio.media_type,
        "form": audio.form,
        "start": round(audio.start_s, 3),
        "seconds": round(audio.seconds, 3),
        "rate": audio.rate or None,
        "channels": audio.channels or None,
    }


def note(
    recorder: TrackRecorder, audio: EmbeddedAudio | None, track: AudioTrack, duration: float
) -> str:
    """What is not embedded and why, a sentence; "" if all of it is."""
    if audio is None:
        if not recorder.embeds:
            return f"The audio ({size(track.size)}) is not in this file."
        reasons = "; ".join(recorder.report().unmeasured)
        why = f": {reasons}" if reasons else ""
        return f"The audio ({size(track.size)}) cannot be played here{why}."
    if audio.seconds < duration - 0.5:
        return (
            f"Only {lasting(audio.seconds)} of {lasting(duration)} are in this file, from "
            f"{audio.start_s:.1f} s on: more is over the maximum size of its audio."
        )
    return ""
