"""Default values of options, from `wsproxy.toml` or from `[tool.wsproxy]` in pyproject.toml.

A file that is found may be a stranger's: that of the checkout in which a command is run. It
must not run a program, load code, send traffic or credentials elsewhere, make the user trust
someone else, spend money at an API, or overwrite or remove files. `_NEVER_FOUND` lists the
options that it therefore cannot set. A file that the user names, with `--config` or
WSPROXY_CONFIG, can set all options.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wsproxy.catalog.toml_table import read_toml
from wsproxy.errors import UsageError, did_you_mean
from wsproxy.system.address import is_loopback, parse_address
from wsproxy.system.regular_file import read_text, reason

VARIABLE = "WSPROXY_CONFIG"
_OWN, _PROJECT = "wsproxy.toml", "pyproject.toml"
_MAX_SIZE = 256 << 10  # bytes
_ROOT = 0  # uid whose files no other user can write

# Options that a file which was found cannot set, and why.
_NEVER_FOUND = {
    "set": "it can load code",
    "mode": "it can send traffic to another server",
    "confdir": "it can name a CA whose key others have",
    "catalog": "it can name environment variables to send as credentials",
    "to": "credentials are sent to it",
    "proxy": "traffic is sent to it",
    "ca": "it can name a CA whose key others have",
    "header": "it can choose another account, which gets what you send",
    "query": "it can choose another account, or a URL that gets the results",
    "subprotocol": "it can choose another account, which gets what you send",
    "field": "it can choose another account, which gets what you send",
    "grep": "a regular expression can take very long",
    "insecure": "it turns off a protection",
    "allow-host": "it turns off a protection",
    "force": "it overwrites files",
    "in-place": "it overwrites files",
    "max-folder": "it removes files",
    "attempts": "it can open many sessions with your credentials",
    "repeat": "it can open many sessions with your credentials",
    "sessions": "it can open many sessions with your credentials",
    "open": "it can start a browser",
    "tries": "it can open many sessions with your credentials",
    "until-verdict": "it can open many sessions with your credentials",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file with defaults.

    Attributes:
        found: it was looked for, and not named by the user.
        table: of which option values are taken.
        name: of that table, for messages: "" or "tool.wsproxy".
    """

    path: Path
    found: bool
    table: Mapping[str, Any]
    name: str


def load_defaults(cli: click.Group, ctx: click.Context, named: str | None) -> dict[str, Any]:
    """The default values of options, by command, as `click.Context.default_map` has them.

    Args:
        cli: the command line, whose options the file can set.
        ctx: of it.
        named: the file; None: WSPROXY_CONFIG, or the nearest one in the working directory and
            above it; empty: none.

    Raises:
        UsageError: the file cannot be read, or has an unknown key or a value of another type.
    """
    file = _named(named) if named is not None else _nearest(Path.cwd())
    if file is None:
        return {}
    logging.getLogger(__name__).info("defaults from %s", file.path)
    return _of_group(file, file.table, file.name, cli, ctx)


# -- the file


def _named(name: str) -> _File | None:
    if not name:
        return None
    path = Path(name)
    tool = path.name == _PROJECT
    return _File(path, False, _table(path, _read(path)), "tool.wsproxy" if tool else "")


def _nearest(folder: Path) -> _File | None:
    """The file of the nearest folder, from this one upwards."""
    for each in (folder, *folder.parents):
        for name in (_OWN, _PROJECT):
            path = each / name
            if not path.is_file():
                continue
            if not _is_trusted(path):
                _warn_of_owner(path)
                continue
            text = _read(path)
            # Most projects say nothing of wsproxy, and a mistake in theirs is not our business.
            if name == _PROJECT and "wsproxy" not in text:
                continue
            table = _table(path, text)
            if name == _PROJECT and not table:
                continue
            return _File(path, True, table, "" if name == _OWN else "tool.wsproxy")
    return None


def _is_trusted(path: Path) -> bool:
    """Whether a file is this user's own or root's; a file in /tmp may be anyone's."""
    return not hasattr(os, "getuid") or path.stat().st_uid in (os.getuid(), _ROOT)


def _warn_of_owner(path: Path) -> None:
    """Say that another user's file is not used; most projects' files say nothing of wsproxy."""
    text = ""
    if path.name == _PROJECT:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = read_text(path, _MAX_SIZE)
    if path.name == _OWN or "tool.wsproxy" in text:
        logging.getLogger(__name__).warning(
            "%s is not used for defaults: it belongs to another user", path
        )


def _read(path: Path) -> str:
    try:
        return read_text(path, _MAX_SIZE)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the defaults file {path}: {reason(error)}") from None


def _table(path: Path, text: str) -> Mapping[str, Any]:
    """The table with the defaults; of a pyproject.toml that has none an empty one."""
    try:
        root = read_toml(text)
    except ValueError as error:
        raise UsageError(f"the defaults file {path} is not valid TOML: {error}") from None
    if path.name != _PROJECT:
        return root
    table = root.get("tool", {})
    table = table.get("wsproxy", {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.wsproxy: expected a table")
    return table


# -- its values


def _of_group(
    file: _File, table: Mapping[str, Any], name: str, group: click.Group, ctx: click.Context
) -> dict[str, Any]:
    """Values by command; the tables of a group are those of its commands."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{name}.{key}" if name else key
        command = group.get_command(ctx, key) if key in group.list_commands(ctx) else None
        if command is None:
            near = did_you_mean(key, group.list_commands(ctx))
            raise UsageError(f"{file.path}: {where}: unknown command{near}")
        if not isinstance(value, dict):
            raise UsageError(f"{file.path}: {where}: expected a table of options")
        its = click.Context(command, parent=ctx, info_name=key)
        if isinstance(command, click.Group):
            values[key] = _of_group(file, value, where, command, its)
        else:
            values[key] = dict(_of_command(file, value, where, command, its))
    return values


def _of_command(
    file: _File, table: Mapping[str, Any], name: str, command: click.Command, ctx: click.Context
) -> Iterator[tuple[str, Any]]:
    options = {
        long.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option)
        for long in option.opts
        if long.startswith("--")
    }
    for key, value in table.items():
        where = f"{file.path}: {name}.{key}"
        option = options.get(key)
        if option is None:
            raise UsageError(f"{where}: unknown option{did_you_mean(key, options)}")
        if file.found and key in _NEVER_FOUND:
            raise UsageError(
                f"{where}: not allowed here, because {_NEVER_FOUND[key]}; to allow it, "
                f"name the file with --config or {VARIABLE}"
            )
        typed = _typed(where, value, option, file.path.parent)
        if file.found:
            _check_found(where, key, typed, file.path.parent)
        _check_value(where, typed, option, ctx)
        assert option.name is not None
        yield option.name, typed


def _typed(where: str, value: object, option: click.Option, folder: Path) -> Any:
    """The value as click takes it, if it has the type of the option."""
    if option.multiple:
        if not isinstance(value, list):
            raise UsageError(f"{where}: expected an array of {_type_name(option)}s")
        return [_single(where, each, option, folder) for each in value]
    return _single(where, value, option, folder)


def _single(where: str, value: object, option: click.Option, folder: Path) -> Any:
    kinds = {"boolean": bool, "integer": int, "number": (int, float), "string": str}
    expected = _type_name(option)
    right = isinstance(value, kinds[expected])  # type: ignore[arg-type]  # classes, or a tuple
    if not right or (isinstance(value, bool) and expected != "boolean"):
        raise UsageError(f"{where}: expected {'an' if expected == 'integer' else 'a'} {expected}")
    if isinstance(option.type, click.Path) and folder != Path.cwd():
        return str(folder / str(value))  # as in the file, wherever the command is run
    return value


def _type_name(option: click.Option) -> str:
    if option.is_flag:
        return "boolean"
    if isinstance(option.type, click.types.IntParamType):
        return "integer"
    return "number" if isinstance(option.type, click.types.FloatParamType) else "string"


def _check_found(where: str, key: str, value: Any, folder: Path) -> None:
    """Reject a value that only a file named by the user may set."""
    if key == "listen" and not is_loopback(parse_address(value)[0]):
        raise UsageError(f"{where}: not allowed here: {value}; expected a loopback address")
    if key == "out" and not (folder / value).resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{where}: not allowed here: {value}; expected a path below {folder}")


def _check_value(where: str, value: Any, option: click.Option, ctx: click.Context) -> None:
    try:
        option.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise UsageError(f"{where}: {error.message.rstrip('.')}") from None
