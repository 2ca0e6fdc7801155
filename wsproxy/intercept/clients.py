"""The clients of speech APIs that are known: WebSocket libraries and SDKs (`clients.toml`)."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("clients.toml")

# How a client's connections come to the recorder.
BY_VARIABLES = "proxy variables"
BY_PRELOAD = "preload"
BY_CATCH = "catch"
BY_BASE_URL = "base URL"
NOT = "not recorded"


@dataclass(frozen=True, slots=True)
class Client:
    """A library or an SDK, in some of its versions; `clients.toml` describes the fields."""

    name: str
    runtime: str
    module: str = ""
    since: str = ""
    before: str = ""
    reads_proxy: str = ""
    preload: bool = False
    uses: tuple[str, ...] = ()
    general: bool = False
    async_legacy: bool = False
    http2: bool = False
    proxy: str = ""
    base_url: str = ""
    api: str = ""

    @property
    def imported(self) -> str:
        """The module that an app imports, or the name of its package in Node."""
        if self.runtime != "python":
            return self.name
        return self.module or self.name.replace("-", "_")

    def is_of(self, version: str) -> bool:
        """Whether the entry is for a version; an unknown version is the newest."""
        number = version_number(version)
        if not number:
            return not self.before
        return (not self.since or number >= version_number(self.since)) and (
            not self.before or number < version_number(self.before)
        )

    def reads_proxy_in(self, version: str) -> bool:
        """Whether it reads proxy variables by itself."""
        if not self.reads_proxy:
            return False
        number = version_number(version)
        return not number or number >= version_number(self.reads_proxy)


@dataclass(frozen=True, slots=True)
class Means:
    """What brings connections to the recorder, besides proxy variables."""

    preload: bool
    catch: bool


@dataclass(frozen=True, slots=True)
class _Program:
    names: tuple[str, ...]
    hint: str


def version_number(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (15, 0, 1) of "15.0.1rc2"; () for none."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


@functools.cache
def _content() -> tuple[tuple[Client, ...], tuple[_Program, ...]]:
    content: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    clients = tuple(
        Client(**{**entry, "uses": tuple(entry.get("uses", ()))}) for entry in content["client"]
    )
    programs = tuple(_Program(tuple(each["names"]), each["hint"]) for each in content["program"])
    return clients, programs


def all_clients() -> tuple[Client, ...]:
    """All entries, in the order of the file."""
    return _content()[0]


def find(runtime: str, name: str, version: str) -> Client | None:
    """The entry for a client; None if it is unknown."""
    for client in all_clients():
        if (client.runtime, client.name) == (runtime, name) and client.is_of(version):
            return client
    return None


def program_hint(program: str) -> str:
    """How the connections of a program can be recorded, by its name; empty: unknown."""
    for each in _content()[1]:
        if program.lower().startswith(each.names):
            return each.hint
    return ""


def route(client: Client, version: str, installed: Mapping[str, str], means: Means) -> str:
    """How the connections of an installed client come to the recorder.

    Args:
        installed: the versions of the packages beside it; an SDK connects with one of these.

    Returns:
        One of the constants of this module, or several of them, joined with "or".
    """
    if client.http2:
        return NOT
    libraries = [
        (used, installed[name])
        for name in client.uses
        if name in installed and (used := find(client.runtime, name, installed[name])) is not None
    ]
    routes = [_own_route(used, its_version, means) for used, its_version in libraries]
    if not routes:
        own = _own_route(client, version, means)
        # The library of an SDK is a part of it, such as a native one of its runtime.
        routes = [BY_PRELOAD if own == BY_BASE_URL and client.uses and means.preload else own]
    if client.async_legacy:
        routes.append(_without_variables(True, means))
    return " or ".join(dict.fromkeys(routes))


def _own_route(client: Client, version: str, means: Means) -> str:
    if client.reads_proxy_in(version):
        return BY_VARIABLES
    return _without_variables(client.preload, means)


def _without_variables(has_preload: bool, means: Means) -> str:
    if has_preload and means.preload:
        return BY_PRELOAD
    return BY_CATCH if means.catch else BY_BASE_URL
