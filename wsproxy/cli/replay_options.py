"""Options that the replaying commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.errors import InvalidValue, UsageError
from wsproxy.replayer import ClientOptions, Pace
from wsproxy.replayer.replay_trace import ReplayRecording

from .number import Number
from .tolerance_options import rules_of, same_as_option

_OUT = Path("recordings")

F = TypeVar("F", bound=Callable[..., Any])

VERDICTS = ("reproduced", "different", "not-reproduced")


def _add(function: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def replay_options(function: F) -> F:
    """Add what every replay takes: how fast, how it is judged, where it is recorded."""
    return _add(
        function,
        [
            click.option(
                "--pace",
                default="recorded",
                show_default=True,
                metavar="PACE",
                help="When each step is played. recorded: at its recorded time. x2, x0.5: twice or "
                "half as fast. causal: the recorded delay after the preceding step of the other "
                "side. fast: as soon as that step is there.",
            ),
            click.option(
                "--timeout",
                type=Number(min=0, min_open=True, max=86400),
                default=10.0,
                show_default=True,
                metavar="SECONDS",
                help="How much longer than in the recording the peer may take.",
            ),
            click.option(
                "--exact",
                is_flag=True,
                help="Require every frame to be equal, byte for byte; implies --keep-ids.",
            ),
            same_as_option,
            click.option(
                "--keep-ids",
                is_flag=True,
                help="Send the recorded ids and times in messages. By default they are "
                "regenerated.",
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path),
                metavar="FOLDER",
                help="Folder for the trace of the replay.  [default: recordings]",
            ),
            click.option("--no-record", is_flag=True, help="Write no trace of the replay."),
        ],
    )


def until_option(function: F) -> F:
    """Add `--until-verdict`: replay again until a session gets this verdict."""
    return click.option(
        "--until-verdict",
        "until",
        type=click.Choice(VERDICTS),
        help="Continue until a session gets this verdict; exit status 0 if one did.",
    )(function)


def target_options(function: F) -> F:
    """Add the options for how to reach the server, and with which credentials."""
    return _add(
        function,
        [
            click.option(
                "--to",
                required=True,
                metavar="URL",
                help="ws:// or wss:// URL of the server. A path or query in it replaces the "
                "recorded one.",
            ),
            click.option(
                "--header",
                "headers",
                multiple=True,
                metavar="'NAME: VALUE'",
                help="Send this header instead of the recorded one (repeatable).",
            ),
            click.option(
                "--query",
                multiple=True,
                metavar="NAME=VALUE",
                help="Send this query parameter instead of the recorded one (repeatable).",
            ),
            click.option(
                "--subprotocol", metavar="LIST", help="Offer these in Sec-WebSocket-Protocol."
            ),
            click.option(
                "--field",
                "fields",
                multiple=True,
                metavar="NAME=VALUE",
                help="Send this credential in the JSON field NAME of messages (repeatable).",
            ),
            click.option(
                "--proxy",
                metavar="URL",
                help="Connect through this proxy: http://HOST:PORT or socks5://HOST:PORT; '' for "
                "none.  [default: the proxy in HTTPS_PROXY]",
            ),
            click.option(
                "--insecure", is_flag=True, help="Do not verify the server's certificate."
            ),
            click.option(
                "--ca",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help="Trust the CA certificates in this PEM file.",
            ),
        ],
    )


@contextmanager
def records_of(
    out: Path | None, *, no_record: bool, warn: Callable[[str], None]
) -> Iterator[ReplayRecording]:
    """The recording of replays, for the body of a `with`.

    If the default folder cannot be written, the replay continues without a trace.

    Args:
        warn: called with a line for people.

    Raises:
        UsageError: options that exclude each other, or `out` cannot be written.
    """
    if no_record and out is not None:
        raise UsageError("--no-record excludes --out")
    if not no_record:
        records = ReplayRecording.into(out or _OUT)
        try:
            records.check(create=False)
        except UsageError as error:
            if out is not None:
                raise UsageError(f"{error}; use --no-record to keep no trace") from None
            warn(f"warning: {error}; no trace is kept; use --out FOLDER for another folder")
        else:
            yield records
            return
    with ReplayRecording.discarded() as records:
        yield records


def client_options_of(
    trace: Path,
    *,
    pace: str,
    timeout: float,
    exact: bool,
    max_wer: float | None,
    audio_tolerance: float | None,
    keep_ids: bool,
    same_as: tuple[Path, ...],
    **target: Any,
) -> ClientOptions:
    """The client options for `replay_options`, `tolerance_options` and `target_options`.

    Raises:
        UsageError: an option has an invalid value, or options exclude each other.
    """
    return replace(
        target_of(**target),
        pace=Pace.parse(pace),
        timeout=timeout,
        keep_ids=keep_ids or exact,
        rules=rules_of(
            trace, exact=exact, max_wer=max_wer, audio_tolerance=audio_tolerance, same_as=same_as
        ),
    )


def target_of(
    *,
    to: str,
    headers: tuple[str, ...],
    query: tuple[str, ...],
    subprotocol: str | None,
    fields: tuple[str, ...],
    proxy: str | None,
    insecure: bool,
    ca: Path | None,
) -> ClientOptions:
    """The client options for `target_options`; all others are at their defaults.

    Raises:
        UsageError: an option has an invalid value.
    """
    return ClientOptions(
        to,
        headers=headers_of(headers),
        query=pairs_of(query, "query"),
        subprotocol=subprotocol,
        fields=pairs_of(fields, "field"),
        proxy=proxy,
        insecure=insecure,
        ca=ca,
    )


def headers_of(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """The headers in `--header`."""
    return [_split(text, ":", "header", "'NAME: VALUE'") for text in texts]


def pairs_of(texts: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """The pairs in an option of the form NAME=VALUE."""
    return [_split(text, "=", option, "NAME=VALUE") for text in texts]


def _split(text: str, mark: str, option: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found or not name.strip() or any(char in text for char in "\r\n\0"):
        # The value may be a key: it is not repeated.
        raise InvalidValue(option, None, f"expected {form}")
    return name.strip(), value.strip()
