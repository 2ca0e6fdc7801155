"""Connections of processes, from the programs ps and lsof (macOS)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence

from wsproxy.system.address import parse_ip

from .past_connections import PastConnection

_TIMEOUT = 10.0  # seconds


def is_available() -> bool:
    """Whether this system has the programs."""
    return shutil.which("lsof") is not None and shutil.which("ps") is not None


def find(process: int, ports: Collection[int], known: set[str]) -> Iterator[PastConnection]:
    """As `proc_connections.find`."""
    processes = with_descendants(process, _output(["ps", "-A", "-o", "pid=,ppid="]))
    selected = ",".join(map(str, processes))
    # Numbers instead of names, whole names of programs, both conditions.
    options = ["-n", "-P", "+c", "0", "-a", "-i", "TCP", "-F", "pcn", "-p", selected]
    for name, connection in parse(_output(["lsof", *options]), ports):
        if name not in known:
            known.add(name)
            yield connection


def with_descendants(process: int, table: str) -> list[int]:
    """A process and its children, with theirs.

    Args:
        table: of all processes: on each line an id, and that of the parent.
    """
    children: dict[int, list[int]] = {}
    for line in table.splitlines():
        child, parent = line.split()
        children.setdefault(int(parent), []).append(int(child))
    found = [process]
    for each in found:  # which grows meanwhile
        found += children.pop(each, [])
    return found


def parse(text: str, ports: Collection[int]) -> Iterator[tuple[str, PastConnection]]:
    """Read what lsof prints: a field on each line, which begins with the letter of the field.

    Yields:
        A name of each connection, and the connection.
    """
    process = program = ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            process = value
        elif kind == "c":
            program = value
        elif kind == "n" and "->" in value:
            host, _, port = value.partition("->")[2].rpartition(":")
            ip = parse_ip(host.strip("[]"))
            if ip is not None and not ip.is_loopback and port.isdecimal() and int(port) in ports:
                yield f"{process} {value}", PastConnection((str(ip), int(port)), program)


def _output(command: Sequence[str]) -> str:
    """What a program prints; lsof exits with 1 if a process has no connection.

    Raises:
        OSError: it cannot be run.
    """
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} does not end") from error
    return result.stdout.decode(errors="replace")
