"""What programs load before the app: PYTHONPATH, NODE_OPTIONS, and versions of Node."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from wsproxy.catalog.loader import VARIABLE, load
from wsproxy.errors import CatalogError
from wsproxy.intercept.clients import version_number

from .result import CheckResult
from .setup import Setup

_NODE_VERSIONS = (16, 24)  # the first and the last one that the preload was tested with
_TIMEOUT = 10.0  # seconds
# Modules that a file in PYTHONPATH must not replace: those of the preload and of TLS.
_SHADOWED = frozenset(sys.stdlib_module_names) | {"brotli", "certifi", "websockets"}
_REQUIRE = re.compile(r"-(?:-require|-import|r)(?:=(.*))?")
_REASON = re.compile(r"\b\w{1,60}Error: |not allowed|Unrecognized")
_PYTHON_FLAGS = re.compile(r"-[a-zA-DF-HJ-Z]*[IE][a-zA-Z]*")


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check what is loaded under `wsproxy run`; `wsproxy record` starts nothing."""
    if not setup.is_run:
        return
    yield from _python_path(setup)
    yield from _python_flags(setup)
    found = list(_node_options(setup))
    yield from found or _options_of("node", "NODE_OPTIONS", "-e", "", setup=setup)
    yield from _node_version(setup)
    yield from _options_of("java", "JAVA_TOOL_OPTIONS", "-version", setup=setup)
    yield from _catalog()


def _python_path(setup: Setup) -> Iterator[CheckResult]:
    for entry in filter(None, setup.env.get("PYTHONPATH", "").split(os.pathsep)):
        folder = Path(entry)
        if not folder.is_dir():
            continue
        names = {path.stem for path in folder.glob("*.py")}
        names |= {path.parent.name for path in folder.glob("*/__init__.py")}
        if "sitecustomize" in names:
            yield CheckResult(
                "start-up",
                "note",
                f"{folder} in PYTHONPATH has a sitecustomize",
                "the preload takes its place, and then runs it",
            )
        if shadowed := sorted(names & _SHADOWED):
            yield CheckResult(
                "start-up",
                "warning",
                f"{folder} in PYTHONPATH replaces modules: {', '.join(shadowed)}",
                "the app loads these, and so does the preload, which may not work with them",
                "rename them, or take the folder out of PYTHONPATH",
            )


def isolating_flag(setup: Setup) -> str:
    """The flag of the app's Python that turns PYTHONPATH off; empty: none."""
    if not setup.cmd or not Path(setup.cmd[0]).name.startswith(("python", "pypy")):
        return ""
    for word in setup.cmd[1:]:
        if not word.startswith("-") or word in ("-c", "-m"):
            return ""
        if _PYTHON_FLAGS.fullmatch(word):
            return word
    return ""


def _python_flags(setup: Setup) -> Iterator[CheckResult]:
    if flag := isolating_flag(setup):
        yield CheckResult(
            "start-up",
            "warning",
            f"{flag} turns PYTHONPATH off, and so the preload",
            "libraries that read no proxy variables are recorded only where the system can "
            "catch their connections, and only if they trust the CA",
            f"leave out {flag}, or use the base URL",
        )


def _node_options(setup: Setup) -> Iterator[CheckResult]:
    try:
        words = shlex.split(setup.env.get("NODE_OPTIONS", ""))
    except ValueError:
        yield CheckResult(
            "start-up",
            "problem",
            "NODE_OPTIONS has a quote that is not closed",
            "Node does not start with it",
            "correct or unset NODE_OPTIONS",
        )
        return
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        found = _REQUIRE.fullmatch(word)
        file = (found[1] or following) if found else ""
        if file.startswith((".", "/")) and not (setup.folder / file).exists():
            yield CheckResult(
                "start-up",
                "problem",
                f"NODE_OPTIONS loads a file that does not exist: {file}",
                "Node does not start with it",
                "correct or unset NODE_OPTIONS",
            )


def _options_of(
    program: str, variable: str, *arguments: str, setup: Setup
) -> Iterator[CheckResult]:
    """Whether a runtime starts with the options in a variable, to which the preload's are added."""
    path = setup.which(program)
    if path is None or not setup.env.get(variable):
        return
    _, why = _run(path, *arguments, env=setup.env)
    if why is not None:
        yield CheckResult(
            "start-up",
            "problem",
            f"{program} does not start with {variable}: {why}",
            "neither does the app, with or without wsproxy",
            f"correct or unset {variable}",
        )


def _run(*command: str, env: Mapping[str, str]) -> tuple[str, str | None]:
    """What a program prints, and why it failed; None if it did not."""
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return "", str(error)
    return done.stdout.strip(), _reason(done.stderr) if done.returncode else None


def _reason(errors: str) -> str:
    """The line of a runtime's error output that has the error."""
    lines = [line for line in errors.splitlines() if not line.startswith("Picked up ")]
    named = [line for line in lines if _REASON.search(line)]
    return (named or lines or ["it says nothing"])[0].strip()


def _catalog() -> Iterator[CheckResult]:
    try:
        load()
    except CatalogError as error:
        yield CheckResult(
            "start-up",
            "problem",
            str(error),
            "no command that needs the catalog starts",
            f"correct the file, or {VARIABLE}",
        )


def _node_version(setup: Setup) -> Iterator[CheckResult]:
    node = setup.which("node")
    if node is None:
        return
    env = {name: value for name, value in setup.env.items() if name != "NODE_OPTIONS"}
    output, why = _run(node, "-v", env=env)
    if why is not None:
        yield CheckResult("start-up", "warning", f"{node} does not print its version")
        return
    version = output.removeprefix("v")
    first, last = _NODE_VERSIONS
    major = version_number(version)[:1]
    if (first,) <= major <= (last,):
        yield CheckResult("start-up", "ok", f"Node {version}")
        return
    yield CheckResult(
        "start-up",
        "warning",
        f"Node {version}: the preload was tested with Node {first} to {last}",
        "WebSocket clients of another version may go past the recorder",
        "use one of these versions, or the base URL",
    )
