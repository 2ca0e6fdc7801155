"""Compare the latencies of two sessions."""

from __future__ import annotations

from .session_digest import SessionDigest


def compare_latency(
    recorded: SessionDigest, replayed: SessionDigest
) -> dict[str, dict[str, float]]:
    """The latencies that both sessions have.

    Returns:
        By name, "recorded", "replayed" and "delta" (replayed minus recorded), ms:
        upgrade (request to response), first_message (upgrade to the server's first message),
        first_transcript (first audio, or upgrade, to the first result with text),
        final_transcript (last audio to the last final result) and close (the record before the
        Close frame to the Close frame).
    """
    a, b = _durations_ns(recorded), _durations_ns(replayed)
    return {
        name: {
            "recorded": _ms(a[name]),
            "replayed": _ms(b[name]),
            "delta": _ms(b[name] - a[name]),
        }
        for name in a
        if name in b
    }


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)


def _durations_ns(digest: SessionDigest) -> dict[str, int]:
    """Nanoseconds by name, without those whose begin or end is missing or out of order."""
    session, times, audio = digest.session, digest.times, digest.sent.audio
    requested_ns = session.request.t_ns if session.request else None
    responded_ns = session.response.t_ns if session.response else None
    spans = {
        "upgrade": (requested_ns, responded_ns),
        "first_message": (session.opened_ns, times.message),
        "first_transcript": (
            audio.first_ns if audio.first_ns is not None else session.opened_ns,
            times.transcript,
        ),
        "final_transcript": (audio.last_ns, times.final),
        "close": (times.before_close, session.close.t_ns if session.close else None),
    }
    return {
        name: end - begin
        for name, (begin, end) in spans.items()
        if begin is not None and end is not None and end >= begin
    }
