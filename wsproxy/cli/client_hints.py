"""How the clients of a command can be recorded, if they were not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wsproxy.intercept import clients
from wsproxy.intercept.loaded_clients import LoadedClient

MAX_LINES = 8  # clients that are named
_ADDRESS = "127.0.0.1:8080"
# For programs whose connections were not seen.
_GENERAL = (
    "Chromium and Electron need flags: wsproxy run -- sh -c 'chromium $WSPROXY_CHROMIUM_FLAGS URL'",
    "a container has its own proxy settings: point them at `wsproxy record`",
)
_DOCTOR = "`wsproxy doctor -- CMD` checks this set-up"
_ANY_API = "wss://api.deepgram.com"


def lines(loaded: Sequence[LoadedClient], programs: Iterable[str]) -> list[str]:
    """What `wsproxy run` prints.

    Args:
        loaded: what the command has loaded.
        programs: names of programs whose connections went past the recorder.
    """
    found = ways(loaded, programs)
    return [found[0], *(f"  {line}" for line in (*found[1:], _DOCTOR))]


def ways(loaded: Sequence[LoadedClient], programs: Iterable[str]) -> list[str]:
    """A title, one line for each client, and how its base URL is used; without clients in general.

    Args:
        loaded, programs: as for `lines`.
    """
    entries = [
        (each, entry)
        for each in loaded
        if (entry := clients.find(each.runtime, each.name, each.version)) is not None
    ]
    # An SDK has the setting for the library that it uses, and comes first.
    entries.sort(key=lambda pair: not (pair[1].uses or pair[1].api or pair[1].http2))
    known = [line for each, entry in entries if (line := _line(each, entry))]
    known += [
        f"{program}: {hint}"
        for program in sorted(set(programs))
        if (hint := clients.program_hint(program))
    ]
    if known:
        found = ["How the clients of this command can be recorded:", *known[:MAX_LINES]]
    else:
        found = ["Setting the app's base URL always works (docs/sdks.md has it for each SDK):"]
    if len(known) > MAX_LINES:
        found.append(f"and {len(known) - MAX_LINES} more: docs/sdks.md")
    if not known or any(entry.base_url for _, entry in entries):
        apis = [entry.api for _, entry in entries if entry.api]
        mode = f"--listen {_ADDRESS} --mode reverse:{apis[0] if apis else _ANY_API}"
        found.append(f"base URLs are for: wsproxy run {mode} -- CMD")
    return found if known else [*found, *_GENERAL]


def _line(client: LoadedClient, entry: clients.Client) -> str:
    title = f"{client.name} {client.version}".strip()
    if entry.http2:
        return f"{title}: its streams are HTTP/2, which is not recorded"
    ways = [entry.proxy] if entry.proxy else []
    if entry.base_url:
        ways.append(f"base URL {entry.base_url.replace('ADDRESS', _ADDRESS)}")
    return f"{title}: {'; or '.join(ways)}" if ways else ""
