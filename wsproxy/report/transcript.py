"""The transcript of a session as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wsproxy.session.transcript import Result, SessionTranscript
from wsproxy.wording import plural

from .safe_text import safe, short

_TEXT = 2000  # characters of a result
_CHANNEL = 20  # characters of a channel's name
INDENT = 12  # of the lines of a result after its first, columns


def transcript_lines(transcript: SessionTranscript, *, interims: bool = False) -> Iterator[str]:
    """The results with their times: when each arrived, who speaks, its place in the audio.

    Args:
        interims: also those that later results replaced.
    """
    results = list(transcript)
    with_channel = len({result.channel for result in results if not result.by_agent}) > 1
    shown = results if interims else final_results(results)
    for result in shown:
        yield result_line(result, with_channel=with_channel)
    if missing := transcript.results - len(results):
        yield f"{'':>{INDENT}}{plural(missing, 'more result')} in between, not kept"
    if not shown:
        some = f"; {plural(transcript.interims, 'interim result')}" if transcript.interims else ""
        yield f"no final results{some}"


def final_results(results: Sequence[Result]) -> list[Result]:
    """The final results with text, of each turn the last one; in their order."""
    latest: dict[tuple[str, int], Result] = {}
    finals = [result for result in results if result.final and result.text]
    for result in finals:
        if result.turn is not None:
            latest[result.channel, result.turn] = result
    return [
        result
        for result in finals
        if result.turn is None or latest[result.channel, result.turn] is result
    ]


def result_line(result: Result, *, with_channel: bool = False) -> str:
    """A result on one line."""
    who = "agent" if result.by_agent else "user"
    if with_channel and result.channel and not result.by_agent:
        who = f"channel {short(result.channel, _CHANNEL)}"
    kind = "" if result.final else " (interim)"
    place = ""
    if result.start_s is not None and result.end_s is not None:
        place = f"  [{result.start_s:.2f} to {result.end_s:.2f} s]"
    text = safe(result.text[:_TEXT]) or "(empty)"
    return f"{result.t_ns / 1e9:>9.3f} s  #{result.frame}  {who}{kind}: {text}{place}"
