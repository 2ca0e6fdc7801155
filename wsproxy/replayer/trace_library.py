"""The traces that a replay serves, and which of them matches a request."""

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
_DERIVED_SOURCES = {"replay": "a replay", "derived": "made from another trace"}
_MAX_RECORDS_READ = 50  # at the beginning of a trace, which hold its request


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """The facets of a request that can be matched.

    Attributes:
        host: lower case, without the port.
        attempt: 1 for the first request at this path, 2 for the second...
        upgrade: whether it requests a WebSocket.
    """

    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    subprotocol: str
    attempt: int
    upgrade: bool

    @classmethod
    def of(cls, target: str, headers: Pairs, *, host: str, attempt: int) -> ReplayRequest:
        """The facets of a request, from its target (path and query) and headers."""
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
    """A trace of the library, with the facets of its request."""

    path: Path
    started_at_ns: int
    request: ReplayRequest
    provider: str | None

    @classmethod
    def read(cls, path: Path) -> ServedTrace | None:
        """Read the beginning of a trace.

        Returns:
            None if it holds no request that can be answered.

        Raises:
            TraceError: the trace cannot be read.
        """
        start: Start | None = None
        with TraceReader(path) as reader:
            for _, record in zip(range(_MAX_RECORDS_READ), reader, strict=False):
                if isinstance(record, Start):
                    start = record
                elif isinstance(record, Request) and start is not None and not start.synthetic:
                    request = ReplayRequest.of(
                        record.path, record.headers, host=record.host, attempt=start.attempt
                    )
                    return cls(path, start.started_at_ns, request, start.provider)
        return None


@dataclass(frozen=True, slots=True)
class Matcher:
    """The facets in which a request must equal the recorded one.

    Attributes:
        facets: names from FACETS, or "query.NAME" for one parameter.
    """

    facets: tuple[str, ...] = ("path",)

    @classmethod
    def parse(cls, facets: Iterable[str]) -> Matcher:
        """Make a matcher of these facets; without any, of the path.

        Raises:
            UsageError: a facet is unknown.
        """
        chosen = tuple(facets)
        for facet in chosen:
            if facet not in FACETS and not facet.startswith("query."):
                known = ", ".join(FACETS)
                raise UsageError(f"cannot match on {facet!r}: give {known} or query.NAME")
        return cls(chosen) if chosen else cls()

    def differences(self, recorded: ReplayRequest, request: ReplayRequest) -> list[str]:
        """The facets that do not match, each as "REQUESTED, not RECORDED"."""
        out = []
        if recorded.upgrade is not request.upgrade:
            out.append("an upgrade" if request.upgrade else "a plain request")
        for facet in self.facets:
            a, b = _facet(recorded, facet), _facet(request, facet)
            if facet == "query":
                a, b = _without_credentials(recorded.query, request.query)
            if facet == "subprotocol" and PLACEHOLDER in str(a):
                a, b = str(a).partition(",")[0], str(b).partition(",")[0]
            if a != b:
                out.append(f"{facet} {_shown(b)}, not {_shown(a)}")
        return out


def _facet(request: ReplayRequest, facet: str) -> object:
    if facet.startswith("query."):
        name = facet.removeprefix("query.")
        return tuple(value for key, value in request.query if key == name)
    return sorted(request.query) if facet == "query" else getattr(request, facet)


def _without_credentials(
    recorded: Sequence[tuple[str, str]], request: Sequence[tuple[str, str]]
) -> tuple[object, object]:
    """Both queries, sorted, without the parameters whose recorded value was redacted."""
    secret = {name for name, value in recorded if PLACEHOLDER in value}
    kept = [sorted(p for p in query if p[0] not in secret) for query in (recorded, request)]
    return kept[0], kept[1]


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        value = "&".join(v if isinstance(v, str) else "=".join(v) for v in value)
    return f"{printable(str(value))!r}"


@dataclass(slots=True)
class TraceLibrary:
    """Traces in recorded order; each request gets the next matching one.

    Once all matching traces have been served, the first one is served again.

    Attributes:
        traces: the traces that can be served.
        matcher: which request gets which trace.
        skipped: traces of the folder that cannot be served, each with the reason.
    """

    traces: list[ServedTrace]
    matcher: Matcher = Matcher()
    skipped: list[str] = field(default_factory=list)
    _serve_counts: dict[Path, int] = field(default_factory=dict)
    _attempt_counts: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, facets: Sequence[str] = ()) -> TraceLibrary:
        """Open a trace, or the recordings in a folder (all its traces if it has no recordings).

        Args:
            facets: what must match; without any, the path, and for a single trace nothing.

        Raises:
            TraceError: the trace, or every trace in the folder, cannot be read.
            UsageError: there is nothing to serve.
        """
        matcher = Matcher.parse(facets)
        if not path.is_dir():
            trace = ServedTrace.read(path)
            if trace is None:
                failure = Session.read(path).failure
                why = f": it failed before ({printable(failure.where)})" if failure else ""
                raise UsageError(
                    f"there is no handshake in this trace to replay as the server{why}"
                )
            return cls([trace], matcher if facets else Matcher(()))
        library = cls([], matcher)
        recordings, others = find_recordings([path])
        for recording in recordings:
            library._add(recording)
        library.skipped += [f"{each.name}: {_DERIVED_SOURCES[source]}" for each, source in others]
        if not library.traces:
            why = f": {library.skipped[0]}" if library.skipped else ""
            raise UsageError(f"no trace in {path} can be served{why}")
        library.traces.sort(key=lambda trace: (trace.started_at_ns, trace.path))
        return library

    def _add(self, path: Path) -> None:
        try:
            trace = ServedTrace.read(path)
        except TraceError as error:
            self.skipped.append(str(error))
            return
        if trace is None:
            self.skipped.append(f"{path.name}: no handshake in it")
        else:
            self.traces.append(trace)

    def pick(self, target: str, headers: Pairs, host: str) -> ServedTrace | str:
        """The trace that matches a request; it counts as served.

        Returns:
            The trace, or the facets in which the nearest one differs.
        """
        resource = (host, target.partition("?")[0])
        attempt = self._attempt_counts[resource] = self._attempt_counts.get(resource, 0) + 1
        request = ReplayRequest.of(target, headers, host=host, attempt=attempt)
        candidates = [(self.matcher.differences(v.request, request), v) for v in self.traces]
        matching = [trace for differences, trace in candidates if not differences]
        if matching:
            trace = min(matching, key=lambda each: self._serve_counts.get(each.path, 0))
            self._serve_counts[trace.path] = self._serve_counts.get(trace.path, 0) + 1
            return trace
        differences, nearest = min(candidates, key=lambda each: len(each[0]))
        return f"{'; '.join(differences)} (nearest: {nearest.path.name})"

    @property
    def only_upgrades(self) -> bool:
        """Whether all traces are WebSocket sessions."""
        return all(trace.request.upgrade for trace in self.traces)

    def answers_for(self, host: str, target: str) -> bool:
        """Whether a trace is of a session with this host, or with its provider.

        Args:
            target: requested path and query.
        """
        provider, _ = load().recognize(host, target.partition("?")[0])
        name = provider.id if provider else None
        return any(
            trace.request.host == host.lower() or (name is not None and trace.provider == name)
            for trace in self.traces
        )
