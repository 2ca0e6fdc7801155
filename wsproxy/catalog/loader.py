"""Loads catalog files: TOML in, `Catalog` out; every mistake is a CatalogError.

The `[[condition]]` tables come last in a file. What precedes them is all that a recorder needs, and
is read without them; conditions are read when they are first used. Reading all of them at every
start would take five times as long.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from wsproxy.errors import CatalogError, Setting, UnknownCondition, one_of
from wsproxy.system.regular_file import read_text, reason

from .model import GENERIC, Api, Condition, CredentialPlaces, Pattern, Provider
from .pattern_cost import LENGTH
from .toml_parser import read_condition, read_head
from .toml_table import Table, read_toml

logger = logging.getLogger(__name__)

VARIABLE = "WSPROXY_CATALOG"  # names files of the user's own, separated as in PATH
_used: tuple[Path, ...] = ()  # see `using`
_CONDITIONS = re.compile(r"^\[\[condition\]\]", re.MULTILINE)


class CatalogFile:
    """One TOML file: a provider, conditions, or both.

    A file without `name` adds conditions to a provider that another file describes.

    Args:
        name: the file's name, for messages.
        text: its content.
        path: its path, None if it is not in the file system.
        own: whether it is a user's file.

    Attributes:
        provider_id: the provider of its conditions.
        provider: None where another file describes it.

    Raises:
        CatalogError: the part before the conditions has a mistake.
    """

    def __init__(self, name: str, text: str, path: Path | None = None, *, own: bool = True) -> None:
        self.name = name
        self._own = own
        found = _CONDITIONS.search(text)
        self._tail = text[found.start() :] if found else ""
        head = text[: found.start()] if found else text
        self._skipped_lines = head.count("\n")
        root = Table(name, "", self._parse(head), own=own)
        self.provider_id, self.provider = read_head(root, path)

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            return read_toml(text)
        except ValueError as error:
            raise CatalogError(f"{self.name}: {error}") from None

    def conditions(self, provider: Provider) -> tuple[Condition, ...]:
        """Its conditions in their order.

        Raises:
            CatalogError: a condition has a mistake.
        """
        # Empty lines before them, so that a syntax error names the right line.
        tables = self._parse("\n" * self._skipped_lines + self._tail)
        root = Table(self.name, "", tables, own=self._own)
        found = tuple(read_condition(table, provider) for table in root.tables("condition"))
        root.done()
        seen: set[str] = set()
        for condition in found:
            if condition.id.lower() in seen:
                raise CatalogError(f"{self.name}: condition: {condition.id} is defined twice")
            seen.add(condition.id.lower())
        return found


class Catalog:
    """All known providers and conditions.

    Args:
        files: a provider or condition of a later file replaces that of an earlier one.

    Raises:
        CatalogError: a file adds conditions to a provider that none describes.
    """

    def __init__(self, files: Iterable[CatalogFile]) -> None:
        self._files: dict[str, list[CatalogFile]] = {}
        self._providers: dict[str, Provider] = {}
        for file in files:
            self._files.setdefault(file.provider_id, []).append(file)
            if file.provider is not None:
                self._providers[file.provider_id] = file.provider
        for name, entries in self._files.items():
            if name not in self._providers:
                raise CatalogError(
                    f"{entries[0].name}: provider: {name!r} is not in the catalog; "
                    "a file of a new provider says its name"
                )
        self._conditions: dict[str, tuple[Condition, ...]] = {}

    @functools.cached_property
    def providers(self) -> tuple[Provider, ...]:
        return tuple(self._providers.values())

    def provider(self, name: str) -> Provider | None:
        """The provider of this id, or None."""
        return self._providers.get(name)

    def api(self, provider: str | None, name: str | None) -> Api | None:
        """An API of a provider, or None where either is unknown."""
        known = self._providers.get(provider or "")
        return known.api(name or "") if known else None

    @functools.cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions of all providers.

        Raises:
            CatalogError: a file has a mistake.
        """
        return tuple(c for name in self._providers for c in self.conditions_of(name))

    def conditions_of(self, provider: str | None) -> tuple[Condition, ...]:
        """The conditions of one provider, none if it is unknown.

        Raises:
            CatalogError: a file has a mistake.
        """
        known = self._providers.get(provider or "")
        if known is None:
            return ()
        if known.id not in self._conditions:
            found: dict[str, Condition] = {}
            for file in self._files[known.id]:
                found |= {condition.id.lower(): condition for condition in file.conditions(known)}
            self._conditions[known.id] = tuple(
                replace(condition, order=order) for order, condition in enumerate(found.values())
            )
        return self._conditions[known.id]

    def condition(self, name: str) -> Condition:
        """The condition with an id, or the only one whose id ends with some parts.

        Args:
            name: e.g. "deepgram.listen.NET-0001", "speak.NET-0001" or "net-0003".

        Raises:
            UnknownCondition: there is none, or more than one.
        """
        wanted = name.strip().lower()
        exact = [c for c in self.conditions_of(wanted.split(".")[0]) if c.id.lower() == wanted]
        if exact:
            return exact[0]
        ending = [
            c for c in self.conditions if wanted and f".{c.id.lower()}".endswith(f".{wanted}")
        ]
        if len(ending) == 1:
            return ending[0]
        if ending:
            names = ", ".join(c.id for c in ending)
            raise UnknownCondition(f"condition {name!r} is ambiguous: {names}")
        if near := self._near(wanted):
            raise UnknownCondition(f"unknown condition {name!r}; did you mean {one_of(near)}?")
        raise UnknownCondition(f"unknown condition {name!r}", Setting("condition"))

    def _near(self, wanted: str) -> list[str]:
        import difflib  # noqa: PLC0415  # imported in 10 ms, for a rare message

        # Users write only the last parts of an id: compare with these as well.
        tails: dict[str, str] = {}
        for condition in self.conditions:
            parts = condition.id.lower().split(".")
            for start in range(len(parts)):
                tails.setdefault(".".join(parts[start:]), condition.id)
        close = difflib.get_close_matches(wanted, tails, n=8, cutoff=0.6)
        return list(dict.fromkeys(tails[tail] for tail in close))[:4]

    def recognize(self, host: str, path: str) -> tuple[Provider | None, Api | None]:
        """The provider and API of a request.

        Args:
            host: name or address, a port may follow.
            path: a query may follow.

        Returns:
            The provider and the API; (provider, None) where only the host is known;
            (None, None) where both are unknown.
        """
        provider, api = self.at_host(host, path)
        if provider is not None:
            return provider, api
        path = path.partition("?")[0][:LENGTH]
        for provider in self.providers:
            for api in provider.apis:
                if api.self_hosted and any(pattern.search(path) for pattern in api.paths):
                    return provider, api
        return None, None

    def at_host(self, host: str, path: str) -> tuple[Provider | None, Api | None]:
        """As `recognize`, but only by the hosts of providers."""
        host = re.sub(r":\d+$", "", host[:LENGTH]).lower().rstrip(".")
        path = path.partition("?")[0][:LENGTH]
        only_host: Provider | None = None
        for provider in self.providers:
            if any(pattern.search(host) for pattern in provider.hosts):
                if (api := _api_at(provider, host, path)) is not None:
                    return provider, api
                only_host = only_host or provider
        return only_host, None

    @functools.cached_property
    def key_shapes(self) -> tuple[tuple[str, Pattern], ...]:
        """The patterns of keys, for providers with recognizable keys: (provider id, pattern)."""
        shapes = ((provider.id, provider.credentials.shape) for provider in self.providers)
        return tuple((name, shape) for name, shape in shapes if shape is not None)

    @functools.cached_property
    def credentials(self) -> CredentialPlaces:
        """The places of credentials of all providers, for redaction."""
        each = [provider.credentials for provider in self.providers]

        def union(name: str) -> tuple[str, ...]:
            return tuple(sorted({item for one in each for item in getattr(one, name)}))

        return CredentialPlaces(
            headers=union("headers"),
            query=union("query"),
            subprotocols=union("subprotocols"),
            subprotocol_prefixes=union("subprotocol_prefixes"),
            message_fields=union("message_fields"),
            body_fields=union("body_fields"),
            environment=union("environment"),
            content_fields=tuple(sorted(self._content_fields())),
        )

    def _content_fields(self) -> set[str]:
        """Names of the JSON fields with text, transcripts or audio, of all APIs.

        An ambiguous name is preceded by the name of its list, such as "elements.*.value".
        """
        paths = {
            path
            for provider in self.providers
            for api in provider.apis
            for path in (*api.transcripts, api.vocabulary.text, *api.audio.fields, *api.content)
        }
        # "value" is a field of headers as well.
        return {path if path.endswith(".value") else path.rpartition(".")[2] for path in paths} - {
            ""
        }


def _api_at(provider: Provider, host: str, path: str) -> Api | None:
    for api in provider.apis:
        if api.hosts and not any(pattern.search(host) for pattern in api.hosts):
            continue
        if any(pattern.search(path) for pattern in api.paths):
            return api
    return None


def read_file(path: Path) -> CatalogFile:
    """Read a user's catalog file.

    Raises:
        CatalogError: it cannot be read, or the part before its conditions has a mistake.
    """
    try:
        return CatalogFile(str(path), read_text(path), path)
    except OSError as error:
        why = f"{reason(error)}{_named(path)}"
        raise CatalogError(f"cannot read the catalog file {path}: {why}") from None
    except UnicodeDecodeError:
        raise CatalogError(f"{path} is not a catalog file: it is not UTF-8 text") from None


def shipped_files() -> list[CatalogFile]:
    """Read the catalog files that wsproxy ships."""
    # importlib.resources takes longer to import than all files take to read.
    found = sorted(Path(__file__).parent.glob("*.toml"))
    # The generic provider comes last, so that it is recognized last.
    found.sort(key=lambda path: path.stem == GENERIC)
    return [
        CatalogFile(path.name, path.read_text(encoding="utf-8"), path, own=False) for path in found
    ]


def user_files() -> tuple[Path, ...]:
    """The user's files: those in the config folder, then those of WSPROXY_CATALOG.

    The folder is `catalog` in the config folder; the variable holds paths of files or folders.
    What this process was given with `using` comes last.
    """
    places = [config_folder() / "catalog"]
    places += [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    places += _used
    found: list[Path] = []
    for place in places:
        found += sorted(place.glob("*.toml")) if place.is_dir() else [place]
    # A missing config folder is not a mistake; a missing file that was named is.
    return tuple(path for path in found if path != places[0])


def config_folder() -> Path:
    """The folder of the user's settings, such as ~/.config/wsproxy on Linux."""
    return platformdirs.user_config_path("wsproxy", appauthor=False, roaming=True)


def given_files() -> tuple[Path, ...]:
    """The files that `using` was given, for a process that this one starts."""
    return _used


@contextlib.contextmanager
def using(files: Iterable[Path]) -> Iterator[None]:
    """Have all catalogs that this process loads hold more files, for the body of a `with`.

    Args:
        files: they add to the user's other ones, or override them.
    """
    global _used  # noqa: PLW0603  # of the process, on all of its threads
    before = _used
    _used = (*before, *files)
    try:
        yield
    finally:
        _used = before


def _named(path: Path) -> str:
    """The setting that names a file, for a message that it cannot be read."""
    named = os.environ.get(VARIABLE, "").split(os.pathsep)
    return f" ({VARIABLE} names it)" if str(path) in named else ""


def load(*extra: Path) -> Catalog:
    """Load the shipped catalog and the user's files, which override it.

    Args:
        extra: more TOML files; each overrides entries with the same id in those before it.

    Raises:
        CatalogError: a file has a mistake.
    """
    return _load((*user_files(), *extra))


@functools.cache
def _load(own: tuple[Path, ...]) -> Catalog:
    files = [read_file(path) for path in own]
    for path in own:
        logger.info("catalog file %s", path)
    catalog = Catalog([*shipped_files(), *files])
    try:
        for file in files:
            catalog.conditions_of(file.provider_id)  # report mistakes now, not during a session
    except CatalogError as error:
        hint = "`wsproxy catalog check FILE` names every mistake with its line"
        raise CatalogError(f"{error}; {hint}", error.where, error.problem) from None
    return catalog
