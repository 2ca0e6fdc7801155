"""The traces that a replay serves, and which of them answers a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from wsproxy.catalog import load
from wsproxy.errors import TraceError, UsageError
from wsproxy.redact import PLACEHOLDER
from wsproxy.session import Session
from wsproxy.trace import Request, Start, TraceReader, find_recordings
from wsproxy.wire import header, is_upgrade

from .handshake import Pairs, printable

FACETS = ("host", "path", "query", "subprotocol", "attempt")
_NO_RECORDING = {"replay": "a replay", "derived": "made from another trace"}
_LOOKED_AT = 50  # records at the beginning of a trace that hold its request


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A request, as far as it is matched.

    Attributes:
        host: lower case, without the port.
        attempt: 1 for the first request at this path, 2 for the second...
        upgrade: whether it asks for a WebSocket.
    """

    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    subprotocol: str
    attempt: int
    upgrade: bool

    @classmethod
    def of(cls, target: str, headers: Pairs, *, host: str, attempt: int) -> ReplayRequest:
        """From a request's target (path and query) and headers."""
        path, _, query = target.partition("?")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            pairs = [("", query)]
        named = [(h[0], h[1]) for h in headers]
        protocols = header(named, "sec-websocket-protocol") or ""
        return cls(host.lower(), path, tuple(pairs), protocols, attempt, is_upgrade(named))


@dataclass(frozen=True, slots=True)
class ServedTrace:
    """One trace of the library, by its request."""

    trace: Path
    started_at_ns: int
    asked: ReplayRequest
    provider: str | None

    @classmethod
    def read(cls, trace: Path) -> ServedTrace | None:
        """Read the beginning of a trace.

        Returns:
            None if it holds no request that could be answered again.

        Raises:
            TraceError: it cannot be read.
        """
        start: Start | None = None
        with TraceReader(trace) as reader:
            for _, record in zip(range(_LOOKED_AT), reader, strict=False):
                if isinstance(record, Start):
                    start = record
                elif isinstance(record, Request) and start is not None and not start.synthetic:
                    asked = ReplayRequest.of(
                        record.path, record.headers, host=record.host, attempt=start.attempt
                    )
                    return cls(trace, start.started_at_ns, asked, start.provider)
        return None


@dataclass(frozen=True, slots=True)
class Matcher:
    """What of a request has to be as recorded.

    Attributes:
        facets: names out of FACETS; "query.NAME" is one parameter.
    """

    facets: tuple[str, ...] = ("path",)

    @classmethod
    def parse(cls, facets: Iterable[str]) -> Matcher:
        """Check the names.

        Raises:
            UsageError: one is not known.
        """
        chosen = tuple(facets)
        for facet in chosen:
            if facet not in FACETS and not facet.startswith("query."):
                known = ", ".join(FACETS)
                raise UsageError(f"cannot match on {facet!r}: give {known} or query.NAME")
        return cls(chosen) if chosen else cls()

    def differences(self, recorded: ReplayRequest, asked: ReplayRequest) -> list[str]:
        """What does not match, each as "what is asked for, not what was recorded"."""
        out = []
        if recorded.upgrade is not asked.upgrade:
            out.append("an upgrade" if asked.upgrade else "a plain request")
        for facet in self.facets:
            a, b = _facet(recorded, facet), _facet(asked, facet)
            if facet == "query":
                a, b = _without_credentials(recorded.query, asked.query)
            if facet == "subprotocol" and PLACEHOLDER in str(a):
                a, b = str(a).partition(",")[0], str(b).partition(",")[0]
            if a != b:
                out.append(f"{facet} {_shown(b)}, not {_shown(a)}")
        return out


def _facet(asked: ReplayRequest, facet: str) -> object:
    if facet.startswith("query."):
        name = facet.removeprefix("query.")
        return tuple(value for key, value in asked.query if key == name)
    return sorted(asked.query) if facet == "query" else getattr(asked, facet)


def _without_credentials(
    recorded: Sequence[tuple[str, str]], asked: Sequence[tuple[str, str]]
) -> tuple[object, object]:
    """Both queries, sorted, without the parameters whose recorded value was taken out."""
    secret = {name for name, value in recorded if PLACEHOLDER in value}
    kept = [sorted(p for p in query if p[0] not in secret) for query in (recorded, asked)]
    return kept[0], kept[1]


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        value = "&".join(v if isinstance(v, str) else "=".join(v) for v in value)
    return f"{printable(str(value))!r}"


@dataclass(slots=True)
class TraceLibrary:
    """Traces in the order in which they were recorded; each request takes the next that matches.

    Once all that match were served, the first of them comes again.

    Attributes:
        volumes: what there is.
        skipped: traces of the folder that cannot be served, and why.
    """

    volumes: list[ServedTrace]
    matcher: Matcher = Matcher()
    skipped: list[str] = field(default_factory=list)
    _served: dict[Path, int] = field(default_factory=dict)
    _attempts: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, facets: Sequence[str] = ()) -> TraceLibrary:
        """A trace, or the recordings of a folder; where it holds none, all traces in it.

        Args:
            facets: what has to match; without any, the path, and of a single trace nothing.

        Raises:
            TraceError: the trace cannot be read, or none of the folder.
            UsageError: there is nothing to serve.
        """
        matcher = Matcher.parse(facets)
        if not path.is_dir():
            volume = ServedTrace.read(path)
            if volume is None:
                failure = Session.read(path).failure
                why = f": it failed before ({printable(failure.where)})" if failure else ""
                raise UsageError(
                    f"there is no handshake in this trace to replay as the server{why}"
                )
            return cls([volume], matcher if facets else Matcher(()))
        library = cls([], matcher)
        recordings, others = find_recordings([path])
        for trace in recordings:
            library._add(trace)
        library.skipped += [f"{trace.name}: {_NO_RECORDING[source]}" for trace, source in others]
        if not library.volumes:
            why = f": {library.skipped[0]}" if library.skipped else ""
            raise UsageError(f"no trace in {path} can be served{why}")
        library.volumes.sort(key=lambda volume: (volume.started_at_ns, volume.trace))
        return library

    def _add(self, trace: Path) -> None:
        try:
            volume = ServedTrace.read(trace)
        except TraceError as error:
            self.skipped.append(str(error))
            return
        if volume is None:
            self.skipped.append(f"{trace.name}: no handshake in it")
        else:
            self.volumes.append(volume)

    def pick(self, target: str, headers: Pairs, host: str) -> ServedTrace | str:
        """The trace that answers a request; it counts as served.

        Returns:
            The volume, or what of the nearest one does not match.
        """
        place = (host, target.partition("?")[0])
        attempt = self._attempts[place] = self._attempts.get(place, 0) + 1
        asked = ReplayRequest.of(target, headers, host=host, attempt=attempt)
        told = [(self.matcher.differences(v.asked, asked), v) for v in self.volumes]
        fitting = [volume for differences, volume in told if not differences]
        if fitting:
            volume = min(fitting, key=lambda each: self._served.get(each.trace, 0))
            self._served[volume.trace] = self._served.get(volume.trace, 0) + 1
            return volume
        differences, nearest = min(told, key=lambda each: len(each[0]))
        return f"{'; '.join(differences)} (nearest: {nearest.trace.name})"

    @property
    def wants_upgrades(self) -> bool:
        """Whether all of it are WebSocket sessions."""
        return all(volume.asked.upgrade for volume in self.volumes)

    def answers_for(self, host: str, target: str) -> bool:
        """Whether any trace is of a session with this host, or with the same provider.

        Args:
            target: path and query that are asked for.
        """
        provider, _ = load().recognise(host, target.partition("?")[0])
        name = provider.id if provider else None
        return any(
            volume.asked.host == host.lower() or (name is not None and volume.provider == name)
            for volume in self.volumes
        )
