"""Every regular expression of the program, and texts on which each may be slow.

Those of the code are found in its source: each call of a function of `re` whose pattern is
known, and each compiled pattern that a module holds. Those of the catalog are found in what
is read of it.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import wsproxy
from wsproxy.catalog import Condition, Provider, load

ROOT = Path(wsproxy.__file__).parent
ROOMS = sorted(f"wsproxy.{path.stem}" for path in ROOT.iterdir() if path.name[0] not in "._")
_FUNCTIONS = frozenset(
    ("compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")
)
_METHODS = _FUNCTIONS - {"compile"}
_ANCHORED = frozenset(("match", "fullmatch"))


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression and how it is used.

    Attributes:
        where: module and line, or the catalog's key.
        methods: of `re.Pattern`; a pattern that is only ever matched from the beginning of a
            text need not be quick at finding itself in it.
    """

    where: str
    pattern: re.Pattern[str] | re.Pattern[bytes]
    methods: frozenset[str] = frozenset(("search",))

    @property
    def run(self) -> Callable[[str], object]:
        """Apply it to a text as it is applied."""
        pattern, is_text = self.pattern, isinstance(self.pattern.pattern, str)
        names = sorted(self.methods)
        calls = [getattr(pattern, n) for n in names if n in _ANCHORED] or []
        if not self.methods <= _ANCHORED:
            calls.append(
                pattern.findall if self.methods - _ANCHORED - {"search"} else pattern.search
            )

        def run(text: str) -> None:
            content = text if is_text else text.encode()
            for call in calls:
                call(content)

        return run


@functools.cache
def of_modules() -> tuple[list[Regex], list[str]]:
    """The expressions of the code, and the places of unknown ones."""
    found: list[Regex] = []
    unknown: list[str] = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if parts[-1] == "__main__" or "preload" in parts:
            continue
        if parts[-1] == "locust":
            # Importing it has gevent replace the sockets and threads of this process.
            assert "import re\n" not in path.read_text(encoding="utf-8"), "its patterns are missed"
            continue
        module = importlib.import_module(".".join(p for p in parts if p != "__init__"))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += _in_calls(module, tree, unknown)
        found += _in_values(module, tree)
    return list({(r.pattern, r.methods): r for r in found}.values()), unknown


def _in_calls(module: ModuleType, tree: ast.AST, unknown: list[str]) -> Iterator[Regex]:
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in _FUNCTIONS
        ):
            continue
        where = f"{module.__name__}:{node.lineno}"
        try:
            args = [_value(module, arg) for arg in node.args[:1]]
            flags = [_value(module, k.value) for k in node.keywords if k.arg == "flags"]
            if node.func.attr == "compile" and len(node.args) > 1:
                flags.append(_value(module, node.args[1]))
            pattern = re.compile(args[0], *flags)
        except (NameError, AttributeError, IndexError, TypeError):
            unknown.append(f"{where}: {ast.unparse(node)[:80]}")
            continue
        if node.func.attr == "compile":
            continue  # the module holds it, or `unknown` has what it is made of
        yield Regex(where, pattern, frozenset((node.func.attr,)))


def _value(module: ModuleType, node: ast.expr) -> Any:
    return eval(compile(ast.Expression(node), module.__name__, "eval"), vars(module))


def _in_values(module: ModuleType, tree: ast.AST) -> Iterator[Regex]:
    """Those that a module or a class of it holds, and with which methods it uses them."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _METHODS:
            used.setdefault(ast.unparse(node.value).rpartition(".")[2], set()).add(node.attr)
    for name, value in list(vars(module).items()):
        if isinstance(value, ModuleType) or name.startswith("__"):
            continue
        if isinstance(value, type) and value.__module__ != module.__name__:
            continue
        methods = frozenset(used.get(name, ())) or frozenset(("findall",))
        for pattern in _patterns(vars(value) if isinstance(value, type) else value):
            yield Regex(f"{module.__name__}.{name}", pattern, methods)


def _patterns(value: object, depth: int = 0) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth > 3 or isinstance(value, str | bytes | int | type):
        return
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _patterns(getattr(value, field.name, None), depth + 1)
    elif isinstance(value, Mapping):
        for each in list(value.values()):
            yield from _patterns(each, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _patterns(each, depth + 1)


def of_catalog() -> list[Regex]:
    """The expressions of the catalog that comes with the program."""
    catalog = load()
    found: dict[re.Pattern[str] | re.Pattern[bytes], Regex] = {}
    things: list[Provider | Condition] = [*catalog.providers, *catalog.conditions]
    for thing in things:
        for pattern in _deep(thing):
            found.setdefault(pattern, Regex(thing.id, pattern))
    return list(found.values())


def _deep(thing: object) -> Iterator[re.Pattern[str]]:
    if isinstance(thing, re.Pattern):
        yield thing
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from _deep(getattr(thing, field.name))
    elif isinstance(thing, tuple | list):
        for each in thing:
            yield from _deep(each)


# -- texts that make an expression work

END = "\x7f"  # of each text: what is in nearly no expression

GENERIC = (
    "a", "1", " ", "\n", "-", "a-", "a.", "a@", '"', '\\"', "=", "name=x ", '{"a":', "<", "ab",
    "A", "a ", "\t ", "/", ":", "é",
)  # fmt: skip


def texts(pattern: re.Pattern[str] | re.Pattern[bytes], size: int) -> list[str]:
    """Texts of a size: what the expression begins with, over and over, and never its end."""
    source = pattern.pattern
    parser = re._parser  # type: ignore[attr-defined]  # the parser of `re` itself
    tree = parser.parse(source, pattern.flags & ~re.DEBUG)
    pieces = dict.fromkeys(_pieces(tree))
    repeated = [piece * (size // len(piece) + 1) for piece in (*pieces, *GENERIC) if piece]
    begun = [
        piece[: -len(last)] + last * size
        for piece in pieces
        if len(piece) < 200 and (last := piece[-1:])
    ]
    return [text[: size - 1] + END for text in dict.fromkeys(repeated + begun)]


def _pieces(tree: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    """What fits the beginning of the expression, and of each part of it, up to each place."""
    for sequence in _sequences(tree):
        text = ""
        for item in sequence[:40]:
            text += _sample([item])
            yield text[:300]
        if len(sequence) > 1:
            yield _sample(sequence[-2:])[:300]


def _sequences(tree: Iterable[tuple[Any, Any]]) -> Iterator[list[tuple[Any, Any]]]:
    items = list(tree)
    yield items
    for name, value in items:
        for part in _parts(str(name), value):
            yield from _sequences(part)


def _parts(name: str, value: Any) -> list[Iterable[tuple[Any, Any]]]:
    match name, value:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT", (_, _, part):
            return [part]
        case "SUBPATTERN", (_, _, _, part):
            return [part]
        case "BRANCH", (_, parts):
            return list(parts)
        case "ASSERT" | "ASSERT_NOT", (_, part):
            return [part]
        case "ATOMIC_GROUP", part:
            return [part]
    return []


def _sample(items: Iterable[tuple[Any, Any]]) -> str:
    """A text that fits."""
    out = ""
    for item_name, value in items:
        name = str(item_name)
        match name, value:
            case "LITERAL", int(code):
                out += chr(code)
            case "NOT_LITERAL", int(code):
                out += "a" if code != ord("a") else "b"
            case "ANY", _:
                out += "a"
            case "IN", members:
                out += _member(members)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT", (low, high, part):
                out += _sample(part) * (min(max(low, 1), 300) if high else 0)
            case "ASSERT" | "ASSERT_NOT" | "AT" | "GROUPREF", _:
                continue
            case _:
                for part in _parts(name, value)[:1]:
                    out += _sample(part)
    return out


@functools.cache
def _class(name: str) -> re.Pattern[str]:
    return re.compile(
        {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}.get(
            name.replace("NOT_", ""), "."
        )
    )


def _member(members: list[tuple[Any, Any]]) -> str:
    """A character of a class."""
    negated = str(members[0][0]) == "NEGATE"
    for char in 'aA1 -_."<{=\n~é,':
        if _is_in(char, members) is not negated:
            return char
    for name, value in members:
        if str(name) == "LITERAL":
            return chr(int(value))
        if str(name) == "RANGE":
            return chr(value[0])
    return "a"


def _is_in(char: str, members: Iterable[tuple[Any, Any]]) -> bool:
    for name, value in members:
        match str(name), value:
            case "LITERAL", int(code):
                found = ord(char) == code
            case "RANGE", (low, high):
                found = low <= ord(char) <= high
            case "CATEGORY", category:
                is_class = _class(str(category)).match(char) is not None
                found = is_class is not ("NOT_" in str(category))
            case _:
                found = False
        if found:
            return True
    return False


if __name__ == "__main__":
    for regex in [*of_modules()[0], *of_catalog()]:
        sys.stdout.write(f"{regex.where}: {regex.pattern.pattern!r} {sorted(regex.methods)}\n")
