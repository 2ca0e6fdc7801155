"""Makes docs/clients.md: runs the matrix of clients, and says how each was recorded.

python tools/clients.py > docs/clients.md
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[1] / "tests"
for _name in ("", "support", "catalog", "simulate", "clients"):
    if str(_TESTS / _name) not in sys.path:
        sys.path.insert(0, str(_TESTS / _name))

import own_settings  # noqa: E402, F401
from client_table import ECHO, GROUPS, OTHER, Client, Group, rows  # noqa: E402
from matrix import Outcome, is_named, run_group  # noqa: E402

_WORKERS = 3  # programs wait most of the time

_HEAD = """\
# Clients that were tried

This page lists real clients under `wsproxy run -- CMD`, and how their sessions reach the recorder.
For example, the row of `picows` says that a preload sends its connections through the recorder:
nothing has to be set.

Each client runs direct, under `wsproxy run`, and under `wsproxy run --catch off`, at the host name
of an API with TLS. Its output and exit status are the same, and its trace has each frame that the
server has seen, and no other. `make clients` tests this on Linux.

| recorded by | meaning |
|---|---|
| proxy variables | The client reads `HTTPS_PROXY`. |
| preload | Code for the Python, Node, Bun or Java of the client. It works on each system. |
| catch | The client's connection is caught in the kernel, on Linux only ([catch.md](catch.md)). |
| flags | The client needs flags, which `wsproxy run` has in a variable. |
| - | Passed through, unrecorded, and reported. |

On macOS and Windows nothing is caught: set the base URL of clients with "catch"
([sdks.md](sdks.md)). No client was tried there. The column "server" has the host that the client
connects to: "echo" stands for a server that echoes at a host of a known API, and the hosts of APIs
have a simulated API behind them.
"""
_FOOT = """\

## What was not tried

Rust, .NET, `websocat`, OkHttp, Electron, and the voice frameworks pipecat, livekit-agents and
vocode. Amazon Transcribe's SDKs use HTTP/2, which is not recorded.

`python tools/clients.py` generates this page. A test compares its rows with the clients of the
matrix.
"""


def main() -> None:
    """Run all groups, and print the page."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_WORKERS) as pool:
        results = list(pool.map(lambda group: _run(group, Path(folder)), GROUPS))
    outcomes = {group.name: each for group, each in zip(GROUPS, results, strict=True)}
    print(document([recorded_by(client, outcomes[group.name]) for group, client in rows()]), end="")


def _run(group: Group, folder: Path) -> Mapping[str, Outcome]:
    folder /= group.name
    folder.mkdir()
    print(group.name, file=sys.stderr)
    try:
        return run_group(group, folder, ["variables"])
    except pytest.skip.Exception as skipped:
        print(f"{group.name}: skipped: {skipped}", file=sys.stderr)
        return {}


def recorded_by(client: Client, outcomes: Mapping[str, Outcome]) -> str:
    """How the session of a client came to the recorder; empty outcomes are of a skipped group."""
    if not outcomes:
        return "not run"
    for mode, means in (("variables", "proxy variables"), ("off", "preload"), ("run", "catch")):
        if any(each["complete"] for each in outcomes[mode].sessions_of(client) if client.place):
            return "flags" if "FLAGS" in client.note else means
    is_reported = not client.place or is_named(outcomes["run"], client)
    return "-" if is_reported else "not recorded, not named"


def document(means: Iterable[str]) -> str:
    """The page, as Markdown.

    Args:
        means: how each client of the table was recorded, in its order.
    """
    found = list(zip(rows(), means, strict=True))
    lines = [_HEAD]
    for language in dict.fromkeys(group.language for group, _ in rows()):
        lines += [f"## {language}", ""]
        lines += ["| client | version | runtime | recorded by | server | note |"]
        lines += ["|---|---|---|---|---|---|"]
        # Rows that differ in their runtime alone are one.
        runtimes: dict[tuple[str, ...], list[str]] = {}
        for (group, client), by in found:
            if group.language == language:
                runtimes.setdefault(_cells(group, client, by), []).append(group.runtime)
        lines += [_row(cells, used) for cells, used in runtimes.items()]
        lines.append("")
    return "\n".join(lines) + _FOOT


def _cells(group: Group, client: Client, by: str) -> tuple[str, ...]:
    version = pinned(group, client) or _installed(group)
    host = client.place.partition("/")[0] or OTHER
    return client.name, version, by, "echo" if host == ECHO else host, client.note


def _row(cells: tuple[str, ...], runtimes: list[str]) -> str:
    client, version, *others = cells
    first, *more = runtimes
    used = ", ".join([first, *(each.rpartition(" ")[2] for each in more if each != first)])
    return f"| {' | '.join([client, version, used, *others])} |"


def pinned(group: Group, client: Client) -> str:
    """The package and version of a client; empty where it is the machine's."""
    version = group.version(client)
    return f"{client.package} {version}" if version else client.package.replace("==", " ")


def _installed(group: Group) -> str:
    if not group.version_of:
        return ""
    done = subprocess.run(group.version_of, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else ""


if __name__ == "__main__":
    main()
