"""Connections of processes, from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

from wsproxy.system.address import parse_ip

from .catch.target import program_of
from .past_connections import PastConnection

# Remote address, port and inode of a connection that is established (01) or being made (02); see
# proc_net_tcp in the kernel's documentation.
_ROW = re.compile(
    r"^ *\d+: \S+ ([0-9A-F]+):([0-9A-F]{4}) 0[12] \S+ \S+ \S+ +\d+ +\d+ (\d+) ", re.MULTILINE
)
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def is_available() -> bool:
    """Whether this system has it."""
    return Path(_TABLES[0]).exists()


def find(process: int, ports: Collection[int], known: set[str]) -> Iterator[PastConnection]:
    """Connections of a process and its descendants to ports of other machines.

    Args:
        known: connections that were looked at already, and are left out; it is added to.
    """
    remote = {
        name: address
        for table in _TABLES
        for name, address in _connections(table, ports)
        if name not in known
    }
    if not remote:
        return  # nearly always, and without looking at each process
    known.update(remote)
    for each in _with_descendants(process):
        for name in _descriptors(each) & remote.keys():
            yield PastConnection(remote.pop(name), program_of(each))


def _connections(table: str, ports: Collection[int]) -> Iterator[tuple[str, tuple[str, int]]]:
    """The sockets of a table of the kernel that are connected to another machine."""
    try:
        text = Path(table).read_text()
    except OSError:  # there is no IPv6
        return
    # The recorder runs in this process: thousands of rows must not keep it from its work.
    for host, port, inode in _ROW.findall(text):
        if (number := int(port, 16)) in ports:
            ip = parse_ip(_host(host))
            if ip is not None and not ip.is_loopback:
                yield f"socket:[{inode}]", (str(ip), number)


def _host(text: str) -> str:
    """An address of the table: its 32-bit words are in the byte order of the machine."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _with_descendants(process: int) -> Iterator[int]:
    """A process and its children, with theirs."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  # Path objects for all processes are slow
        if entry.isdecimal():
            with contextlib.suppress(OSError, ValueError):
                # The name, in parentheses, may contain anything.
                rest = Path(f"/proc/{entry}/stat").read_text(errors="replace").rpartition(")")[2]
                children.setdefault(int(rest.split()[1]), []).append(int(entry))
    waiting = [process]
    while waiting:
        yield (each := waiting.pop())
        waiting += children.pop(each, [])


def _descriptors(process: int) -> set[str]:
    """What the descriptors of a process are."""
    found = set()
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        for entry in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found
