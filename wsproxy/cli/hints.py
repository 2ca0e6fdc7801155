"""The line for an error: what is wrong, and the option that avoids it.

Errors of the libraries name settings, not options (`wsproxy.errors.Setting`). This is the one
place where a setting gets the name of its option.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import click

from wsproxy.errors import InvalidValue, Setting, WsproxyError, did_you_mean
from wsproxy.report.safe_text import safe

# What to do, by the setting that an error names.
_HINTS = {
    "allow_hosts": "allow the name with --allow-host NAME",
    "auth": "require a password with --auth USER:PASSWORD",
    "ca": "trust its CA with --ca FILE",
    "catch": "use --catch auto",
    "condition": "`wsproxy catalog list` lists all of them",
    "confdir": "use --confdir DIR",
    "force": "use --force to replace it",
    "headers": "give them with --header",
    "hosts": "--host NAME records an API of your own",
    "listen": "use --listen HOST:PORT; port 0 takes a free one",
    "max_folder": "--max-folder SIZE removes the oldest traces",
    "mode": "use --mode reverse:URL to be the app's base URL",
    "out": "use --out DIR",
    "strict": "without --strict, sessions pass unrecorded",
}
# Settings whose values are given: credentials that a trace does not contain.
_OPTIONS = {
    "fields": "--field",
    "headers": "--header",
    "query": "--query",
    "subprotocol": "--subprotocol",
}


def message(error: WsproxyError) -> str:
    """The message of an error in terms of the command line, safe to print.

    The message may name a file, whose name is a stranger's.
    """
    if isinstance(error, InvalidValue):
        return safe(error.text(f"--{error.name.replace('_', '-')}"))
    return safe(with_hints(str(error), error.settings))


def with_hints(text: str, settings: Iterable[Setting]) -> str:
    """A text, and after it what to do about each of the settings."""
    values = [f"{_OPTIONS[each.name]} {_quoted(each.value)}" for each in settings if each.value]
    # Another version of wsproxy, in a process of its own, may name one that this one lacks.
    hints = [_HINTS[each.name] for each in settings if not each.value and each.name in _HINTS]
    hints += [f"give {' and '.join(values)}"] if values else []
    parts = [text.rstrip(".")] if text else []
    return "; ".join([*parts, *hints]) if hints else text


def _quoted(value: str) -> str:
    """A value for a shell, always in quotes: the user replaces a part of it."""
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{value}'"


def usage_message(error: click.ClickException) -> str:
    """The message of an error that click found in the command line, on one line."""
    match error:
        case click.NoSuchOption():
            known = error.ctx.command.params if error.ctx is not None else []
            names = [name for each in known if isinstance(each, click.Option) for name in each.opts]
            text = f"unknown option {error.option_name}{did_you_mean(error.option_name, names)}"
        case click.MissingParameter():
            text = error.format_message()
        case click.BadParameter() if isinstance(error.param, click.Option):
            text = f"invalid {error.param.opts[0]} value: {error.message}"
        case _:
            text = error.format_message()
    text = safe(" ".join(text.split()).rstrip("."))
    text = text[:1].lower() + text[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{text} (see `{context.command_path} --help`)" if context is not None else text
