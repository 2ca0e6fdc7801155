"""The mitmproxy options of the recording addon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader

from wsproxy.recorder import POLICIES
from wsproxy.recorder.disk_fault_log import probe
from wsproxy.recorder.limits import InvalidLimit, RecorderLimits

# Options that cannot change while the recorder runs.
FIXED_OPTIONS = frozenset(
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
class RecorderOptions:
    """The values of FIXED_OPTIONS.

    Attributes:
        out: folder for the traces.
        limits: how much is recorded, and how safely.
    """

    out: Path
    limits: RecorderLimits

    @classmethod
    def read(cls) -> RecorderOptions:
        """Read mitmproxy's options.

        Raises:
            OptionsError: one of them is invalid.
        """
        options = ctx.options
        try:
            limits = RecorderLimits.parse(
                options.wsproxy_max_payload,
                options.wsproxy_max_size,
                options.wsproxy_max_folder,
                options.wsproxy_fsync,
                strict=options.wsproxy_strict,
            )
        except InvalidLimit as error:
            raise exceptions.OptionsError(f"wsproxy_{error}") from error
        return cls(Path(options.wsproxy_out), limits)

    def as_options(self) -> dict[str, str | bool]:
        """The values as mitmproxy options."""
        limits = self.limits
        return {
            "wsproxy_out": str(self.out),
            "wsproxy_max_payload": str(limits.max_payload),
            "wsproxy_max_size": str(limits.max_size or ""),
            "wsproxy_max_folder": str(limits.max_folder or ""),
            "wsproxy_fsync": limits.fsync,
            "wsproxy_strict": limits.strict,
        }


def declare(loader: Loader) -> None:
    """Add the options to mitmproxy."""
    loader.add_option(
        "wsproxy_out", str, "recordings", "Folder for the traces; created if it does not exist."
    )
    loader.add_option(
        "wsproxy_host",
        Sequence[str],
        [],
        "Record only sessions with hosts that match one of these regular expressions. "
        "Empty: all hosts.",
    )
    loader.add_option(
        "wsproxy_capture",
        str,
        "auto",
        "wire: relay verbatim and record every frame as it was sent. messages: relay through "
        "mitmproxy's own WebSocket layer, so that its UI and other addons see the messages, "
        "and record those. auto: messages if mitmproxy has a UI, otherwise wire. Sessions that "
        "cannot be relayed verbatim are recorded as messages, with a warning.",
        choices=("auto", "wire", "messages"),
    )
    loader.add_option(
        "wsproxy_max_payload",
        str,
        "64MiB",
        "Bytes stored of the payload of one frame, 64MiB at most. Of a longer payload the trace "
        "has the beginning, the length and the SHA-256 digest.",
    )
    loader.add_option(
        "wsproxy_max_size",
        str,
        "",
        "Size after which a trace continues in another file, such as 100MB; the files are read "
        "as one trace. Empty: never.",
    )
    loader.add_option(
        "wsproxy_max_folder",
        str,
        "",
        "Size of all traces in the folder above which the oldest finished ones are removed, "
        "such as 10GB. Empty: never.",
    )
    loader.add_option(
        "wsproxy_fsync",
        str,
        "end",
        "When to fsync traces, so that they survive a power failure: never (the operating system "
        "decides), end (once a trace is complete), block (continuously).",
        choices=POLICIES,
    )
    loader.add_option(
        "wsproxy_strict",
        bool,
        False,
        "Refuse new sessions with status 503 while traces cannot be written.",
    )


def folder_problem(folder: Path) -> str | None:
    """Create the folder if necessary; returns why traces cannot be written to it, or None."""
    try:
        probe(folder, size=0)
    except OSError as error:
        return f"cannot write traces to {folder}: {error.strerror or error}"
    return None
