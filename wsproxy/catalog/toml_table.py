"""TOML tables that are read key by key, with errors that name the place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from wsproxy.errors import CatalogError

from .model import Advice, Pattern, Ranges
from .pattern_cost import too_costly
from .success import MessagePattern

T = TypeVar("T")


_MAX_DOTS = 200  # between two equal signs in a line, which may be in a key


def _dots(text: str) -> int:
    return text.count(".")


def read_toml(text: str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ValueError: it is not TOML (`tomllib.TOMLDecodeError`, which names the line), is nested
            too deeply, or has a number with too many digits.
    """
    # The time that tomllib needs for a key grows with the square of its parts.
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > _MAX_DOTS and max(map(_dots, line.split("="))) > _MAX_DOTS:
            raise ValueError(f"a key has too many parts (at line {number})")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("a number has too many digits") from None


class Table:
    """A TOML table that is read key by key; unread keys are mistakes.

    Args:
        file: its name, for messages.
        path: the place in the file, e.g. "condition[3].match".
        value: the parsed value.
        mistakes: collects mistakes, and reading continues with a default; None: the first
            mistake is raised.
        own: whether it is a user's file, whose patterns are checked for their cost; tests check
            those of the shipped files.

    Attributes:
        valid: whether no mistake was found so far.
    """

    def __init__(
        self,
        file: str,
        path: str,
        value: object,
        mistakes: list[CatalogError] | None = None,
        *,
        own: bool = True,
    ) -> None:
        self.file = file
        self._own = own
        self.path = path
        self.valid = True
        self._mistakes = mistakes
        self._rest: dict[str, Any] = {}
        if isinstance(value, dict):
            self._rest = dict(value)
        else:
            self.mistake("", "is not a table")

    def mistake(self, key: str, problem: str) -> None:
        """Report a mistake.

        Raises:
            CatalogError: unless mistakes are collected.
        """
        error = self.error(key, problem)
        if self._mistakes is None:
            raise error
        self._mistakes.append(error)
        self.valid = False

    def error(self, key: str, problem: str) -> CatalogError:
        where = f"{self.path}.{key}" if self.path and key else self.path or key
        return CatalogError(f"{self.file}: {where}: {problem}", where, problem)

    def __contains__(self, key: str) -> bool:
        return key in self._rest

    @property
    def empty(self) -> bool:
        """Whether all keys have been read."""
        return not self._rest

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have not been read."""
        return tuple(self._rest)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Read a value of a type; required unless there is a default."""
        if key not in self._rest:
            if default is None:
                self.mistake(key, "is missing")
                return kind()
            return default
        value = self._rest.pop(key)
        # bool is a subclass of int, and not a number in a catalog.
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            self.mistake(key, f"is not {_ARTICLE[kind]}")
            return kind() if default is None else default
        return value

    def number(self, key: str, default: float = 0.0) -> float:
        """Read a non-negative number."""
        value = self.take(key, int if isinstance(self._rest.get(key), int) else float, default)
        if not 0 <= value < 1e12:
            self.mistake(key, f"{value} is out of range")
        return float(value)

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        known = list(choices)
        value = self.take(key, str, default)
        if value in known or value == default:
            return value
        if value:
            self.mistake(key, f"{value!r} is not one of {', '.join(known)}")
        return known[0]

    def strings(self, key: str) -> tuple[str, ...]:
        values: list[object] = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            self.mistake(key, "is not a list of strings")
        return tuple(str(value) for value in values)

    def numbers(self, key: str) -> tuple[int, ...]:
        values: list[object] = self.take(key, list, [])
        if not all(type(value) is int and value > 0 for value in values):
            self.mistake(key, "is not a list of positive whole numbers")
            return ()
        return tuple(value for value in values if isinstance(value, int))

    def advice(self, key: str) -> tuple[Advice, ...]:
        """Read strings, or tables of `text` and `when`; at least one.

        Raises:
            CatalogError: there is none, or another value.
        """
        found = []
        for number, value in enumerate(self.take(key, list), 1):
            if isinstance(value, str):
                found.append(Advice(value))
                continue
            table = self._inner(f"{self._sub(key)}[{number}]", value)
            found.append(table.read(_advice))
        return tuple(found)

    def names(self, key: str) -> tuple[str, ...]:
        """Read strings, in lower case."""
        return tuple(name.lower() for name in self.strings(key))

    def pattern(self, key: str, flags: int = 0) -> Pattern | None:
        return self._compile(key, self.take(key, str), flags) if key in self else None

    def patterns(self, key: str) -> tuple[Pattern, ...]:
        return tuple(self._compile(key, text, 0) for text in self.strings(key))

    def message_patterns(self, key: str) -> tuple[MessagePattern, ...]:
        return tuple(MessagePattern.parse(text) for text in self.strings(key))

    def named_patterns(self, key: str) -> tuple[tuple[str, Pattern], ...]:
        """Read a table of name = regular expression; the expressions ignore case."""
        table: dict[str, object] = self.take(key, dict, {})
        found = []
        for name, text in table.items():
            if not isinstance(text, str):
                self.mistake(f"{key}.{name}", "is not a string")
                continue
            found.append((name, self._compile(f"{key}.{name}", text, re.IGNORECASE)))
        return tuple(found)

    def _compile(self, key: str, text: str, flags: int) -> Pattern:
        try:
            pattern = re.compile(text, flags)
            problem = too_costly(pattern) if self._own else ""
        except (re.error, OverflowError, RecursionError) as error:
            self.mistake(key, f"{text!r} is not a regular expression: {error}")
            return re.compile("")
        if problem:
            self.mistake(key, f"{text!r} {problem}")
        return pattern

    def ranges(self, key: str) -> Ranges | None:
        """Read codes: 1011, "3000-3999", "4xx", "none", or a list of these."""
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
                self.mistake(key, f"{item!r} is neither a number nor a range")
        return Ranges(tuple(spans), absent)

    def table(self, key: str, *, old: str = "") -> Table | None:
        """A table, if there is one.

        Args:
            old: a former spelling of the key, which is read if the key itself is not there.
        """
        name = old if old in self and key not in self else key
        return self._inner(self._sub(name), self._rest.pop(name)) if name in self else None

    def tables(self, key: str) -> list[Table]:
        """An array of tables, or one table."""
        value = self._rest.pop(key, [])
        items = value if isinstance(value, list) else [value]
        return [self._inner(f"{self._sub(key)}[{i}]", v) for i, v in enumerate(items, 1)]

    def _inner(self, path: str, value: object) -> Table:
        return Table(self.file, path, value, self._mistakes, own=self._own)

    def _sub(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def code(self, key: str) -> str | None:
        """Read a number or a name, as text."""
        kind = int if isinstance(self._rest.get(key), int) else str
        return str(self.take(key, kind)) if key in self else None

    def read(self, make: Callable[[Table], T]) -> T:
        """What a function makes of the table's keys.

        Raises:
            CatalogError: a key is wrong, or the function has not taken it.
        """
        found = make(self)
        self.done()
        return found

    def done(self) -> None:
        """Report the keys that nothing has taken.

        Raises:
            CatalogError: there is one: a misspelt key, most likely.
        """
        rest, self._rest = self._rest, {}
        for key in rest:
            self.mistake(key, "is not a key of this table")


def _advice(table: Table) -> Advice:
    optional = table.take("only_if_seen", bool, False)
    return Advice(table.take("text", str), table.take("when", str), optional)


_ARTICLE: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def _span(item: object) -> tuple[int, int] | None:
    if isinstance(item, int) and not isinstance(item, bool):
        return item, item
    if not isinstance(item, str):
        return None
    if found := re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", item):
        return int(found[1]), int(found[2])
    if found := re.fullmatch(r"([1-5])xx", item):
        return int(found[1]) * 100, int(found[1]) * 100 + 99
    return None
