"""Which known clients the programs of a command have loaded, as the preloads report it.

A folder has a file `wanted` with the known clients, one a line: runtime, name, imported module.
A process that has loaded one of them adds an empty file, whose name is runtime, name and version.
So the same client in a thousand processes is one file.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from . import clients

VARIABLE = "WSPROXY_CLIENTS"
MAX_CLIENTS = 200  # that are read
_WANTED = "wanted"
_SEPARATOR = " "


@dataclass(frozen=True, slots=True)
class LoadedClient:
    """A client that a process has loaded.

    Attributes:
        version: empty if it is unknown.
    """

    runtime: str
    name: str
    version: str

    @property
    def file_name(self) -> str:
        """The name of the file that reports it."""
        return _SEPARATOR.join(quote(part, safe="@") for part in self._parts)

    @property
    def _parts(self) -> tuple[str, str, str]:
        return self.runtime, self.name, self.version


def prepare(folder: Path) -> None:
    """Create the folder that the preloads report to."""
    folder.mkdir(exist_ok=True)
    wanted = {(each.runtime, each.name, each.imported): None for each in clients.all_clients()}
    lines = "".join(f"{' '.join(each)}\n" for each in wanted)
    (folder / _WANTED).write_text(lines, encoding="utf-8")


def read(folder: Path) -> list[LoadedClient]:
    """What has been reported, in the order of the table of clients; empty: nothing."""
    found = set()
    with contextlib.suppress(OSError):  # the preloads are not used in this mode
        for _, path in zip(range(MAX_CLIENTS), sorted(folder.iterdir()), strict=False):
            parts = [unquote(part) for part in path.name.split(_SEPARATOR)]
            if len(parts) == 3:
                found.add(LoadedClient(*parts))
    order = {(each.runtime, each.name): n for n, each in enumerate(clients.all_clients())}
    known = [each for each in found if (each.runtime, each.name) in order]
    return sorted(known, key=lambda each: (order[each.runtime, each.name], each.version))
