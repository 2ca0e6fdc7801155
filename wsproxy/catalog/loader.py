"""Reading catalog files: TOML in, `Catalog` out; every mistake is a CatalogError.

A file's `[[condition]]` tables come last in it, so that what stands before them (which is
all that a recorder needs) is read without them, and the conditions of a provider are read
when they are first asked for. Reading all files at once costs ten times as much.
"""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from wsproxy.catalog.model import (
    CONFIDENCES,
    GENERIC,
    KINDS,
    RETRIES,
    SEVERITIES,
    Api,
    Audio,
    Close,
    Condition,
    Credentials,
    Example,
    Match,
    Pattern,
    Provider,
    Ranges,
    Refusal,
    RequestIds,
    Simulate,
    Source,
)
from wsproxy.errors import CatalogError, UnknownCondition

SCHEMA = 1
_ID = re.compile(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+){2}")
_CONDITIONS = re.compile(r"^\[\[condition\]\]", re.MULTILINE)
_HEAD_KEYS = ("schema", "provider", "name", "recognise", "api", "credentials", "request_ids")

T = TypeVar("T")


class Table:
    """A TOML table that is read key by key; what is left over at its end is a mistake.

    Args:
        file: name for messages.
        path: where in the file, e.g. "condition[3].match".
        value: what is there.
    """

    def __init__(self, file: str, path: str, value: object) -> None:
        self.file = file
        self.path = path
        if not isinstance(value, dict):
            raise self.error("", "is not a table")
        self._rest: dict[str, Any] = dict(value)

    def error(self, key: str, problem: str) -> CatalogError:
        where = f"{self.path}.{key}" if self.path and key else self.path or key
        return CatalogError(f"{self.file}: {where}: {problem}")

    def __contains__(self, key: str) -> bool:
        return key in self._rest

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """A value of a type; required unless there is a default."""
        if key not in self._rest:
            if default is None:
                raise self.error(key, "is missing")
            return default
        value = self._rest.pop(key)
        # bool is an int in Python, and never meant as one here.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"is not {_ARTICLE[kind]}")
        return value

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        value = self.take(key, str, default)
        if value not in choices and value != default:
            raise self.error(key, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def strings(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        values: list[object] = self.take(key, list, None if required else [])
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "is not a list of strings")
        return tuple(str(value) for value in values)

    def names(self, key: str) -> tuple[str, ...]:
        """Strings, in lower case."""
        return tuple(name.lower() for name in self.strings(key))

    def pattern(self, key: str, flags: int = 0) -> Pattern | None:
        return self._compile(key, self.take(key, str), flags) if key in self else None

    def patterns(self, key: str) -> tuple[Pattern, ...]:
        return tuple(self._compile(key, text, 0) for text in self.strings(key))

    def named_patterns(self, key: str) -> tuple[tuple[str, Pattern], ...]:
        """A table of name = regular expression, compared without regard to case."""
        table: dict[str, object] = self.take(key, dict, {})
        found = []
        for name, text in table.items():
            if not isinstance(text, str):
                raise self.error(f"{key}.{name}", "is not a string")
            found.append((name, self._compile(f"{key}.{name}", text, re.IGNORECASE)))
        return tuple(found)

    def _compile(self, key: str, text: str, flags: int) -> Pattern:
        try:
            return re.compile(text, flags)
        except re.error as error:
            raise self.error(key, f"{text!r} is no regular expression: {error}") from None

    def ranges(self, key: str) -> Ranges | None:
        """Codes: 1011, "3000-3999", "4xx", "none", or a list of such."""
        if key not in self._rest:
            return None
        value = self._rest.pop(key)
        spans, absent = [], False
        for item in value if isinstance(value, list) else [value]:
            if item == "none":
                absent = True
            elif (span := _span(item)) is not None:
                spans.append(span)
            else:
                raise self.error(key, f"{item!r} is neither a number nor a range")
        return Ranges(tuple(spans), absent)

    def table(self, key: str) -> Table | None:
        return Table(self.file, self._sub(key), self._rest.pop(key)) if key in self else None

    def tables(self, key: str) -> list[Table]:
        """An array of tables, or one table."""
        value = self._rest.pop(key, [])
        items = value if isinstance(value, list) else [value]
        return [Table(self.file, f"{self._sub(key)}[{i}]", v) for i, v in enumerate(items, 1)]

    def _sub(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def done(self) -> None:
        """Everything has been taken.

        Raises:
            CatalogError: something has not: a misspelt key, most likely.
        """
        for key in self._rest:
            raise self.error(key, "is not a key of this table")


_ARTICLE: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def _span(item: object) -> tuple[int, int] | None:
    if isinstance(item, int) and not isinstance(item, bool):
        return item, item
    if not isinstance(item, str):
        return None
    if found := re.fullmatch(r"(\d+)-(\d+)", item):
        return int(found[1]), int(found[2])
    if found := re.fullmatch(r"([1-5])xx", item):
        return int(found[1]) * 100, int(found[1]) * 100 + 99
    return None


# -- a provider, which is what stands before the conditions


def _provider(root: Table, file: Path | None) -> Provider:
    if (schema := root.take("schema", int)) != SCHEMA:
        raise root.error("schema", f"is {schema}; this wsproxy reads {SCHEMA}")
    recognise = root.table("recognise")
    hosts = recognise.patterns("hosts") if recognise else ()
    if recognise:
        recognise.done()
    provider = Provider(
        id=root.take("provider", str),
        name=root.take("name", str),
        hosts=hosts,
        apis=tuple(_api(table) for table in root.tables("api")),
        credentials=_credentials(root.table("credentials")),
        request_ids=_request_ids(root.table("request_ids")),
        file=file,
    )
    if not re.fullmatch("[a-z0-9_]+", provider.id):
        raise root.error("provider", f"{provider.id!r}: lower-case letters, digits and _ only")
    root.done()
    return provider


def _api(table: Table) -> Api:
    api = Api(
        name=table.take("name", str),
        title=table.take("title", str),
        hosts=table.patterns("hosts"),
        paths=table.patterns("paths"),
        self_hosted=table.take("self_hosted", bool, False),
        audio=_audio(table.table("audio")),
        transcripts=table.strings("transcripts"),
    )
    table.done()
    return api


def _audio(table: Table | None) -> Audio:
    if table is None:
        return Audio()
    audio = Audio(
        origin=table.choice("from", ("client", "server", "both", "none")),
        carrier=table.choice("carrier", ("binary", "json-base64", "framed"), "binary"),
        encoding_query=table.take("encoding_query", str, ""),
        default_encoding=table.take("default_encoding", str, ""),
        rate_query=table.take("rate_query", str, ""),
        default_rate=table.take("default_rate", int, 0),
        channels_query=table.take("channels_query", str, ""),
        fields=table.strings("fields"),
    )
    table.done()
    return audio


def _credentials(table: Table | None) -> Credentials:
    if table is None:
        return Credentials()
    credentials = Credentials(
        headers=table.names("headers"),
        query=table.names("query"),
        subprotocols=table.names("subprotocols"),
        subprotocol_prefixes=table.names("subprotocol_prefixes"),
        message_fields=table.names("message_fields"),
        environment=table.strings("environment"),
    )
    table.done()
    return credentials


def _request_ids(table: Table | None) -> RequestIds:
    if table is None:
        return RequestIds()
    ids = RequestIds(table.names("headers"), table.strings("message_fields"))
    table.done()
    return ids


# -- a condition


def _condition(table: Table, provider: Provider, order: int) -> Condition:
    source = table.table("source")
    if source is None:
        raise table.error("source", "is missing")
    simulate = table.table("simulate")
    apis = table.strings("apis")
    condition = Condition(
        id=table.take("id", str),
        provider=provider.id,
        apis=apis,
        severity=table.choice("severity", SEVERITIES),
        title=table.take("title", str),
        meaning=table.take("meaning", str),
        causes=table.strings("causes", required=True),
        remedies=table.strings("remedies", required=True),
        retry=table.choice("retry", RETRIES),
        retry_note=table.take("retry_note", str, ""),
        source=_source(source),
        confidence=table.choice("confidence", CONFIDENCES, "high"),
        disagreement=table.take("disagreement", str, ""),
        checks=table.strings("checks"),
        general=table.take("general", bool, False),
        matches=tuple(_match(match) for match in table.tables("match")),
        simulate=_simulate(simulate) if simulate else None,
        examples=tuple(_example(example, apis) for example in table.tables("example")),
        order=order,
    )
    table.done()
    _check_condition(table, condition, provider)
    return condition


def _check_condition(table: Table, condition: Condition, provider: Provider) -> None:
    if not _ID.fullmatch(condition.id) or not condition.id.startswith(f"{provider.id}."):
        raise table.error("id", f"{condition.id!r} is not {provider.id}.API.NAME")
    for name in condition.apis:
        if provider.api(name) is None:
            raise table.error("apis", f"{provider.id} has no API {name!r}")
    if not condition.matches:
        raise table.error("match", "is missing")
    if {example.matches for example in condition.examples} != {True, False}:
        raise table.error("example", "one must match and one must not")


def _source(table: Table) -> Source:
    source = Source(
        table.take("document", str), table.take("section", str, ""), table.take("url", str, "")
    )
    table.done()
    return source


def _match(table: Table) -> Match:
    kind = table.choice("kind", KINDS)
    values: dict[str, Any] = {}
    match kind:
        case "close":
            values = {
                "code": table.ranges("code"),
                "reason": table.pattern("reason"),
                "closed_by": table.choice("closed_by", ("client", "server"), ""),
            }
        case "message":
            values = {
                "error_code": _error_code(table),
                "error": table.pattern("error"),
                "fields": table.named_patterns("fields"),
            }
        case "refused" | "http":
            values = {
                "http": table.take("http", bool, False),
                "status": table.ranges("status"),
                "headers": table.named_patterns("headers"),
                "body": table.named_patterns("body"),
                "body_text": table.pattern("body_text"),
                "request": table.pattern("request"),
                "host": table.pattern("host"),
                "without": table.names("without"),
            }
        case "ending":
            values = {
                "ending": table.choice("ending", ("eof", "reset", "failed", "stopped")),
                "by": table.choice("by", ("client", "server"), ""),
                "failed_where": table.pattern("failed_where"),
            }
    if not any(values.values()):
        raise table.error("", "says nothing to match")
    found = Match(kind, said=table.named_patterns("said"), **values)
    table.done()
    return found


def _error_code(table: Table) -> str | None:
    if "error_code" not in table:
        return None
    value = table._rest["error_code"]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(table.take("error_code", int))
    return table.take("error_code", str)


def _simulate(table: Table) -> Simulate:
    simulate = Simulate(
        close=_optional(table.table("close"), _close),
        message=table.take("message", str, ""),
        refuse=_optional(table.table("refuse"), _refusal),
        end=table.choice("end", ("reset", "eof"), ""),
        rule=table.take("rule", str, ""),
        after=table.choice("after", ("open", "audio", "silence", "end"), "audio"),
    )
    table.done()
    if [bool(simulate.close), bool(simulate.refuse), bool(simulate.end)].count(True) != 1:
        raise table.error("", "needs exactly one of close, refuse and end")
    return simulate


def _optional(table: Table | None, make: Callable[[Table], T]) -> T | None:
    return None if table is None else make(table)


def _close(table: Table) -> Close:
    code = table.take("code", int) if "code" in table else None
    close = Close(code, table.take("reason", str, ""))
    table.done()
    if len(close.reason.encode()) > 123:
        raise table.error("reason", "is longer than a Close frame holds (123 bytes)")
    return close


def _refusal(table: Table) -> Refusal:
    headers: dict[str, object] = table.take("headers", dict, {})
    refusal = Refusal(
        status=table.take("status", int),
        headers=tuple((name, str(value)) for name, value in headers.items()),
        body=table.take("body", str, ""),
        content_type=table.take("content_type", str, ""),
    )
    table.done()
    return refusal


def _example(table: Table, apis: tuple[str, ...]) -> Example:
    example = Example(
        matches=table.take("matches", bool),
        api=table.take("api", str, apis[0] if apis else ""),
        close=_optional(table.table("close"), _close),
        refused=_optional(table.table("refused"), _refusal),
        message=table.take("message", str, ""),
        ending=table.take("ending", str, ""),
        by=table.take("by", str, ""),
        failed_where=table.take("failed_where", str, ""),
        request=table.take("request", str, ""),
        host=table.take("host", str, ""),
        said=table.take("said", str, ""),
    )
    table.done()
    if not (example.close or example.refused or example.message or example.ending):
        raise table.error("", "shows nothing")
    return example


# -- files


class CatalogFile:
    """One TOML file: its provider, and, when asked for, its conditions.

    Args:
        name: for messages.
        text: what is in it.
        path: where it is, None if not in the file system.

    Raises:
        CatalogError: what stands before the conditions has a mistake.
    """

    def __init__(self, name: str, text: str, path: Path | None = None) -> None:
        self.name = name
        found = _CONDITIONS.search(text)
        self._tail = text[found.start() :] if found else ""
        head = text[: found.start()] if found else text
        self._skipped_lines = head.count("\n")
        self.provider = _provider(Table(name, "", self._parse(head)), path)

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CatalogError(f"{self.name}: {error}") from None

    @functools.cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Its conditions, in their order.

        Raises:
            CatalogError: they have a mistake.
        """
        # Empty lines in front, so that a syntax error names the right line.
        root = Table(self.name, "", self._parse("\n" * self._skipped_lines + self._tail))
        found = tuple(
            _condition(table, self.provider, order)
            for order, table in enumerate(root.tables("condition"))
        )
        for key in root._rest:
            place = "stands behind the conditions" if key in _HEAD_KEYS else "is not a key"
            raise root.error(key, place)
        return found


class Catalog:
    """All providers and conditions that are known.

    Args:
        entries: the files, each another provider's.

    Raises:
        CatalogError: two files have the same provider.
    """

    def __init__(self, entries: Iterable[CatalogFile]) -> None:
        self._files: dict[str, CatalogFile] = {}
        for entry in entries:
            if (other := self._files.get(entry.provider.id)) is not None:
                raise CatalogError(
                    f"{entry.name}: provider: {entry.provider.id!r} is also in {other.name}"
                )
            self._files[entry.provider.id] = entry

    @functools.cached_property
    def providers(self) -> tuple[Provider, ...]:
        return tuple(entry.provider for entry in self._files.values())

    def provider(self, id: str) -> Provider | None:
        """The provider of this id, or None."""
        entry = self._files.get(id)
        return entry.provider if entry else None

    @functools.cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions of all providers.

        Raises:
            CatalogError: a file has a mistake.
        """
        found: dict[str, Condition] = {}
        for entry in self._files.values():
            for condition in entry.conditions:
                if condition.id.lower() in found:
                    raise CatalogError(f"{entry.name}: condition: {condition.id} is there twice")
                found[condition.id.lower()] = condition
        return tuple(found.values())

    def conditions_of(self, provider: str | None) -> tuple[Condition, ...]:
        """The conditions of one provider, none if it is not known."""
        entry = self._files.get(provider or "")
        return entry.conditions if entry else ()

    def condition(self, id: str) -> Condition:
        """The condition of an id, or of its last parts if only one ends so.

        Args:
            id: e.g. "deepgram.listen.NET-0001", "speak.NET-0001" or "net-0003".

        Raises:
            UnknownCondition: there is none, or more than one.
        """
        wanted = id.strip().lower()
        exact = [c for c in self.conditions_of(wanted.split(".")[0]) if c.id.lower() == wanted]
        if exact:
            return exact[0]
        ending = [c for c in self.conditions if wanted and f".{c.id.lower()}".endswith(f".{wanted}")]
        if len(ending) == 1:
            return ending[0]
        if ending:
            names = ", ".join(c.id for c in ending)
            raise UnknownCondition(f"{id!r} may be any of {names}")
        near = self._near(wanted)
        hint = f"near ones: {', '.join(near)}" if near else "see the list of the catalog's ids"
        raise UnknownCondition(f"no condition {id!r} in the catalog; {hint}")

    def _near(self, wanted: str) -> list[str]:
        # Compared with each tail of an id, since people write those.
        tails: dict[str, str] = {}
        for condition in self.conditions:
            parts = condition.id.lower().split(".")
            for start in range(len(parts)):
                tails.setdefault(".".join(parts[start:]), condition.id)
        close = difflib.get_close_matches(wanted, tails, n=8, cutoff=0.6)
        return list(dict.fromkeys(tails[tail] for tail in close))[:4]

    def recognise(self, host: str, path: str) -> tuple[Provider | None, Api | None]:
        """Whose API a request goes to.

        Args:
            host: name or address, a port may follow.
            path: a query may follow.

        Returns:
            The provider and the API; (provider, None) where only the host is known;
            (None, None) where nothing is.
        """
        host = re.sub(r":\d+$", "", host).lower().rstrip(".")
        path = path.partition("?")[0]
        only_host: Provider | None = None
        for provider in self.providers:
            if any(pattern.search(host) for pattern in provider.hosts):
                if (api := _api_at(provider, host, path)) is not None:
                    return provider, api
                only_host = only_host or provider
        if only_host is not None:
            return only_host, None
        for provider in self.providers:
            for api in provider.apis:
                if api.self_hosted and any(pattern.search(path) for pattern in api.paths):
                    return provider, api
        return None, None

    @functools.cached_property
    def credentials(self) -> Credentials:
        """Where any provider's secrets travel, for taking them out before writing."""
        each = [provider.credentials for provider in self.providers]

        def union(name: str) -> tuple[str, ...]:
            return tuple(sorted({item for one in each for item in getattr(one, name)}))

        return Credentials(
            headers=union("headers"),
            query=union("query"),
            subprotocols=union("subprotocols"),
            subprotocol_prefixes=union("subprotocol_prefixes"),
            message_fields=union("message_fields"),
            environment=union("environment"),
        )


def _api_at(provider: Provider, host: str, path: str) -> Api | None:
    for api in provider.apis:
        if api.hosts and not any(pattern.search(host) for pattern in api.hosts):
            continue
        if any(pattern.search(path) for pattern in api.paths):
            return api
    return None


def read_file(path: Path) -> CatalogFile:
    """A catalog file of the user's own, with all of its conditions.

    Raises:
        CatalogError: it cannot be read or has a mistake.
    """
    try:
        entry = CatalogFile(str(path), path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from None
    _ = entry.conditions
    return entry


def _shipped(folder: Traversable) -> list[CatalogFile]:
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    # What stands in for all others comes last, so that recognition asks it last.
    found.sort(key=lambda f: f.name == f"{GENERIC}.toml")
    return [
        CatalogFile(f.name, f.read_text(encoding="utf-8"), f if isinstance(f, Path) else None)
        for f in found
    ]


@functools.cache
def load(*extra: Path) -> Catalog:
    """The catalog that comes with wsproxy, and the user's own files.

    Args:
        extra: TOML files, each of a provider that is not in the catalog.

    Raises:
        CatalogError: a file has a mistake.
    """
    shipped = _shipped(files("wsproxy.catalog"))
    return Catalog([*[read_file(path) for path in extra], *shipped])
