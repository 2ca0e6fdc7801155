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
from client_table import GROUPS, Client, Group  # noqa: E402
from matrix import Outcome, is_named, run_group  # noqa: E402

_WORKERS = 3  # programs wait most of the time

_HEAD = """\
# Clients that were tried

This page lists real clients under `wsproxy run -- CMD`, and how their sessions reach the recorder.
For example, the row of `picows` says that a preload sends its connections through the recorder, so
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
([sdks.md](sdks.md)). No client was tried there. The column base URL says where the client connects:
to a server that echoes (a dash), or to the host of the API, with a simulated API behind it.
"""
_FOOT = """\

## What was not tried

Rust, .NET, `websocat`, OkHttp, Electron, and the voice frameworks pipecat, livekit-agents and
vocode. Amazon Transcribe's SDKs use HTTP/2, which is not recorded.

`python tools/clients.py` generates this page. A test compares its rows with the clients of the
matrix.
"""


def main() -> None:
    """Run the groups that are named, or all, and print the page."""
    wanted = sys.argv[1:]
    groups = [group for group in GROUPS if not wanted or group.name in wanted]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_WORKERS) as pool:
        results = pool.map(lambda group: _run(group, Path(folder)), groups)
        outcomes = {group.name: each for group, each in zip(groups, results, strict=True)}
    print(document(groups, outcomes), end="")


def _run(group: Group, folder: Path) -> Mapping[str, Outcome]:
    folder /= group.name
    folder.mkdir()
    print(group.name, file=sys.stderr)
    try:
        return run_group(group, folder, ["variables"])
    except pytest.skip.Exception as skipped:
        print(f"{group.name}: skipped: {skipped}", file=sys.stderr)
        return {}


def document(groups: Iterable[Group], outcomes: Mapping[str, Mapping[str, Outcome]]) -> str:
    """The page, as Markdown."""
    lines = [_HEAD]
    for language in dict.fromkeys(group.language for group in groups):
        lines += [f"## {language}", ""]
        lines += ["| client | version | recorded by | base URL | note |", "|---|---|---|---|---|"]
        for group in groups:
            if group.language == language:
                lines += [row(group, each, outcomes[group.name]) for each in group.clients]
        lines.append("")
    return "\n".join(lines) + _FOOT


def row(group: Group, client: Client, outcomes: Mapping[str, Outcome]) -> str:
    """The line of a client."""
    cells = [
        title(group, client),
        pinned(group, client) or _installed(group),
        _recorded_by(client, outcomes) if outcomes else "not run",
        client.base_url or "-",
        client.note,
    ]
    return f"| {' | '.join(cells)} |"


def title(group: Group, client: Client) -> str:
    """What a client is called on the page."""
    return f"{client.name}, {group.runtime}" if group.runtime else client.name


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


def _recorded_by(client: Client, outcomes: Mapping[str, Outcome]) -> str:
    for mode, means in (("variables", "proxy variables"), ("off", "preload"), ("run", "catch")):
        if any(each["complete"] for each in outcomes[mode].sessions_of(client) if client.place):
            return "flags" if "FLAGS" in client.note else means
    run = outcomes["run"]
    return "-" if not client.place or is_named(run, client) else "**not recorded, not named**"


if __name__ == "__main__":
    main()
