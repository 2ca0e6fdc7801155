"""`wsproxy play`: the audio of a session through the speakers, or as a WAV file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsproxy.catalog import load
from wsproxy.errors import NoAudio, UsageError
from wsproxy.report.safe_text import safe
from wsproxy.report.text import lasting, size
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.trace.atomic_file import check_free, new_file

from .progress import ProgressLine
from .trace_place import TracePlace

if TYPE_CHECKING:
    from wsproxy.report.session_sound import SessionSound

# Players and their arguments before the name of the file. The first that is there is used.
_PLAYERS: Sequence[tuple[str, ...]] = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("afplay",),
    ("paplay",),
    ("aplay", "-q"),
)
_SIDES = {"app": ("app",), "server": ("server",), "both": ("app", "server")}


@click.command(name="play")
@click.argument("trace", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--side",
    type=click.Choice(list(_SIDES)),
    default="both",
    show_default=True,
    help="Whose audio; both: the app's on the left, the server's on the right.",
)
@click.option(
    "--from", "begin", metavar="TIME|#N", help="Start at this time (12.5s) or frame (#40)."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.wav",
    help="Write a WAV file instead of playing.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.wav if it exists.")
def command(trace: Path, side: str, begin: str | None, out: Path | None, force: bool) -> None:
    """Play the audio of TRACE.

    The audio is decoded and placed in time as it arrived: gaps are silent, and audio that
    arrived faster than it is heard follows what came before it. It is played by the first of
    ffplay (of FFmpeg), afplay, paplay and aplay that is installed. Ctrl-C ends it.

    \b
      wsproxy play trace.wstrace
      wsproxy play trace.wstrace --side app --from 12.5s
      wsproxy play trace.wstrace --from '#40' --out failure.wav
    \b
    Exit status:
      0  played, or written         2  invalid option, no player, or cannot be written
      1  nothing can be played      3  the trace cannot be read
    """
    place = TracePlace.parse(begin, "from") if begin else TracePlace(t_ns=0)
    player = _player() if out is None else None
    if out is not None:
        check_free(out, force=force, source=trace)
    try:
        # They need numpy.
        from wsproxy.report.session_sound import read_session, session_sound  # noqa: PLC0415
    except ImportError as error:
        raise NoAudio(f"{error.name} is missing: it decodes audio") from None
    with ProgressLine("reading") as progress:
        session = read_session(trace, load(), progress.step)
        sound = session_sound(session, _SIDES[side], _start_s(place, trace, session))
    for name, reason in sound.silent.items():
        _note(f"{name}: {reason}")
    if sound.is_cut:
        _note(f"only {lasting(sound.seconds)}; --from continues later")
    if out is not None:
        with new_file(out, force=force) as new:
            sound.write(new.file)
        click.echo(safe(f"wrote {out} ({lasting(sound.seconds)}, {size(sound.size)})"))
        return
    assert player is not None
    click.echo(safe(f"playing {lasting(sound.seconds)} of {trace.name} with {player[0]}"))
    _play(player, sound)


def _start_s(place: TracePlace, trace: Path, session: Session) -> float:
    """The time of a place, seconds of the session.

    Raises:
        NoAudio: there is no such frame.
    """
    if place.t_ns is not None:
        return place.t_ns / 1e9
    assert place.number is not None
    if place.number <= session.frame_count:
        with TraceReader(trace) as reader:
            frames = (record for record in reader if isinstance(record, FrameRecord))
            for number, frame in enumerate(frames, 1):
                if number == place.number:
                    return frame.t_ns / 1e9
    raise NoAudio(f"no frame #{place.number}: the trace has {session.frame_count} frames")


def _player() -> tuple[str, ...]:
    for player in _PLAYERS:
        if shutil.which(player[0]):
            return player
    names = ", ".join(player[0] for player in _PLAYERS)
    raise UsageError(f"no audio player found ({names}); use --out FILE.wav to write a file")


def _play(player: tuple[str, ...], sound: SessionSound) -> None:
    """Play audio with a program, from a private file that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="wsproxy-") as folder:
        file = Path(folder) / "session.wav"
        file.touch(mode=0o600)
        with file.open("wb") as opened:
            sound.write(opened)
        done = subprocess.run(
            [*player, os.fspath(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = f": {reason[-1]}" if reason else ""
        raise NoAudio(f"{player[0]} ended with status {done.returncode}{last}")


def _note(text: str) -> None:
    print(safe(f"note: {text}"), file=sys.stderr)  # noqa: T201
