"""The mitmproxy options of the recording addon."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader

from wsproxy.recorder import POLICIES
from wsproxy.recorder.limits import InvalidLimit, RecorderLimits

# What a recorder has from its beginning to its end.
FIXED = frozenset(
    {
        "wsproxy_out",
        "wsproxy_max_payload",
        "wsproxy_max_size",
        "wsproxy_max_folder",
        "wsproxy_fsync",
        "wsproxy_strict",
    }
)


@dataclass(frozen=True, slots=True)
class Fixed:
    """The values of the FIXED options.

    Attributes:
        out: folder for the traces.
        keeping: how much is kept, and how safely.
    """

    out: Path
    keeping: RecorderLimits


def declare(loader: Loader) -> None:
    """Tell mitmproxy of the options."""
    loader.add_option(
        "wsproxy_out", str, "recordings", "Folder for the traces; made if it is not there."
    )
    loader.add_option(
        "wsproxy_host",
        Sequence[str],
        [],
        "Record only sessions with hosts that match one of these regular expressions. Empty: all.",
    )
    loader.add_option(
        "wsproxy_capture",
        str,
        "auto",
        "wire: relay verbatim and record every frame as it was sent. messages: relay through "
        "mitmproxy's own WebSocket layer, so that its UI and other addons see the messages, "
        "and record those. auto: messages where mitmproxy has a UI, else wire. What cannot be "
        "relayed verbatim is recorded as messages, with a warning.",
        choices=("auto", "wire", "messages"),
    )
    loader.add_option(
        "wsproxy_max_payload",
        str,
        "64MiB",
        "How much is kept of the payload of one frame, 64MiB at the most; of a longer one its "
        "beginning is kept, its length, and the SHA-256 of all of it.",
    )
    loader.add_option(
        "wsproxy_max_size",
        str,
        "",
        "Size after which a trace goes on in another file, such as 100MB; they are read as "
        "one. Empty: never.",
    )
    loader.add_option(
        "wsproxy_max_folder",
        str,
        "",
        "Size of all traces in the folder over which the oldest finished ones are removed, "
        "such as 10GB. Empty: never.",
    )
    loader.add_option(
        "wsproxy_fsync",
        str,
        "end",
        "When traces are brought to the disk itself, so that they survive a power cut: never "
        "(when the system does it), end (once a trace is complete), block (all the time).",
        choices=POLICIES,
    )
    loader.add_option(
        "wsproxy_strict",
        bool,
        False,
        "Refuse new sessions while traces cannot be written, with status 503.",
    )


def fixed() -> Fixed:
    """What the FIXED options say.

    Raises:
        OptionsError: one of them cannot be.
    """
    options = ctx.options
    try:
        keeping = RecorderLimits.parse(
            options.wsproxy_max_payload,
            options.wsproxy_max_size,
            options.wsproxy_max_folder,
            options.wsproxy_fsync,
            strict=options.wsproxy_strict,
        )
    except InvalidLimit as error:
        raise exceptions.OptionsError(f"wsproxy_{error}") from error
    return Fixed(Path(options.wsproxy_out), keeping)


def folder_problem(folder: Path) -> str | None:
    """Make the folder if it is not there; why traces cannot be written to it, None if they can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".wsproxy-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return f"cannot write traces to {folder}: {error.strerror or error}"
    return None
