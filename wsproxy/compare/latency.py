"""How long what took, in two sessions."""

from __future__ import annotations

from .session_digest import SessionDigest


def latency(recorded: SessionDigest, replayed: SessionDigest) -> dict[str, dict[str, float]]:
    """Times that both sessions have.

    Returns:
        By name, "recorded", "replayed" and "delta" (how much longer the second took), ms:
        upgrade (from the request to its answer), first_message (of the server, from the
        upgrade), first_transcript (from the first audio, or the upgrade), final_transcript
        (the last one, from the last audio) and close (from what came before it).
    """
    a, b = _times(recorded), _times(replayed)
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


def _times(story: SessionDigest) -> dict[str, int]:
    """Nanoseconds by name; what is not there, or in another order, is left out."""
    session, moments, sound = story.session, story.moments, story.sent.sound
    asked = session.request.t_ns if session.request else None
    answered = session.response.t_ns if session.response else None
    spans = {
        "upgrade": (asked, answered),
        "first_message": (session.opened_ns, moments.message),
        "first_transcript": (
            sound.first_ns if sound.first_ns is not None else session.opened_ns,
            moments.transcript,
        ),
        "final_transcript": (sound.last_ns, moments.final),
        "close": (moments.before_close, moments.close),
    }
    return {
        name: end - begin
        for name, (begin, end) in spans.items()
        if begin is not None and end is not None and end >= begin
    }
