"""The faults: which side has it, what it does, and at which stage of a session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .acts import (
    ACCEPTED,
    AUDIO,
    BYE,
    CLIENT_ACTS,
    END,
    FRAGMENT,
    GARBLES,
    HELLO,
    PIECE,
    PLAIN,
    REQUEST,
    RESETS,
    RESULT,
    SERVER_ACTS,
    SPEECH,
    STALLS,
    Script,
    expects_answer,
    good_client,
    good_server,
    reset,
    vanish,
)
from .certificates import HOST
from .ends import LIMIT, End, Over

PRELUDES = ("idle", "mid-frame", "mid-message", "closing")


@dataclass(frozen=True)
class Fault:
    """One fault at one stage.

    Attributes:
        by: "upstream" or "client".
        what, stage: in the words of the table.
        server, client: what the ends do from the first byte on; server None: there is none.
        tls: ws (False), wss (True), or both.
        certificate: of the server.
        trusts: whether the client trusts who signs what it gets.
        host: to connect to.
        blackhole: whether nobody answers a connection attempt.
        gives_up: whether the client does not wait for the end of that.
    """

    by: str
    what: str
    stage: str
    server: Script | None
    client: Script
    tls: tuple[bool, ...] = (False, True)
    certificate: str = "good"
    trusts: bool = True
    host: str = HOST
    blackhole: bool = False
    gives_up: bool = False

    def __str__(self) -> str:
        return f"{self.by} {self.what}, {self.stage}"


class Case(NamedTuple):
    """A fault, and which of the two connections has TLS."""

    fault: Fault
    client_tls: bool
    server_tls: bool

    @property
    def is_mixed(self) -> bool:
        """Whether only one of them has."""
        return self.client_tls != self.server_tls

    @property
    def scheme(self) -> str:
        client, server = ("wss" if tls else "ws" for tls in self[1:])
        return f"{client} to {server}" if self.is_mixed else client

    def __str__(self) -> str:
        return f"{self.fault}, {self.scheme}"


def _after_upgrade() -> Iterator[Fault]:
    for stage in PRELUDES:
        for act in SERVER_ACTS:
            server = _then(good_server, *_sent_by_server(stage), act.do)
            client = _then(good_client, *_sent_to_server(stage), act.take)
            yield Fault("upstream", act.what, stage, server, client, act.tls)
    for stage in PRELUDES:
        for act in CLIENT_ACTS:
            server = _then(good_server, *_sent_to_client(stage), act.take)
            client = _then(good_client, *_sent_by_client(stage), act.do)
            yield Fault("client", act.what, stage, server, client, act.tls)


def _sent_by_server(stage: str) -> tuple[Script, ...]:
    match stage:
        case "mid-frame":
            return (lambda end: end.send(SPEECH[:40]),)
        case "mid-message":
            return (lambda end: end.send(PIECE),)
        case "closing":
            return (lambda end: end.need(len(HELLO + BYE)),)
    return ()


def _sent_to_server(stage: str) -> tuple[Script, ...]:
    match stage:
        case "mid-frame":
            return (lambda end: end.need(len(RESULT) + 40),)
        case "mid-message":
            return (lambda end: end.need(len(RESULT + PIECE)),)
        case "closing":
            return (lambda end: end.send(BYE),)
    return ()


def _sent_by_client(stage: str) -> tuple[Script, ...]:
    match stage:
        case "mid-frame":
            return (lambda end: end.send(AUDIO[:40]),)
        case "mid-message":
            return (lambda end: end.send(FRAGMENT),)
        case "closing":
            return (lambda end: end.need(len(RESULT + END)),)
    return ()


def _sent_to_client(stage: str) -> tuple[Script, ...]:
    match stage:
        case "mid-frame":
            return (lambda end: end.need(len(HELLO) + 40),)
        case "mid-message":
            return (lambda end: end.need(len(HELLO + FRAGMENT)),)
        case "closing":
            return (lambda end: end.send(END),)
    return ()


def _then(*scripts: Script) -> Script:
    def script(end: End) -> None:
        for each in scripts:
            each(end)

    return script


def _end_at_once(end: End) -> None:
    end.eof()
    end.until_end()
    end.received.clear()  # a ClientHello, of a size that says nothing


def _answer_plainly(end: End) -> None:
    end.sock.sendall(PLAIN)
    end.until_end()


def _after_hello(act: Script) -> Script:
    """Something else than an answer to the ClientHello."""

    def script(end: End) -> None:
        if not end.sock.recv(1 << 16):
            end.saw.append("eof")
            raise Over
        act(end)

    return script


def _hello_in_part(act: Script) -> Script:
    """The beginning of a ClientHello."""

    def script(end: End) -> None:
        end.send_raw(b"\x16\x03\x01\x02\x00\x01\x00")
        end.until_seen()
        act(end)

    return script


def _tls_server(end: End) -> None:
    end.begin()
    end.note_request()


def _gives_up(end: End) -> None:
    end.wait_in_vain()


def _before() -> Iterator[Fault]:
    yield Fault("upstream", "refuses the connection", "connect", None, expects_answer)
    yield Fault("upstream", "connect times out", "connect", None, expects_answer, blackhole=True)
    yield Fault(
        "upstream",
        "stalls forever",
        "connect",
        None,
        expects_answer,
        blackhole=True,
        gives_up=True,
    )
    yield Fault(
        "upstream",
        "name does not resolve",
        "connect",
        None,
        expects_answer,
        host="speech-api.invalid",
    )
    only = (True,)
    for certificate in ("self-signed", "expired", "wrong-name"):
        yield Fault(
            "upstream",
            f"certificate: {certificate}",
            "TLS",
            _tls_server,
            expects_answer,
            only,
            certificate,
        )
    for what, act in (
        ("resets", reset),
        ("half-closes", _end_at_once),
        ("does not use TLS", _answer_plainly),
    ):
        yield Fault("upstream", what, "TLS", _after_hello(act), expects_answer, only)
    yield Fault("upstream", "half-closes immediately", "TLS", _end_at_once, expects_answer, only)
    yield Fault(
        "upstream", "stalls forever", "TLS", _after_hello(End.fall_silent), _hello_in_vain, only
    )
    yield Fault(
        "client", "does not trust the CA", "TLS", _tls_server, expects_answer, only, trusts=False
    )
    yield Fault("client", "does not use TLS", "TLS", _tls_server, _speak_no_tls, only)
    for what, act in (("vanishes", vanish), ("resets", reset), ("half-closes", _end_at_once)):
        yield Fault("client", what, "TLS", _tls_server, _hello_in_part(act), only)


def _hello_in_vain(end: End) -> None:
    """A TLS handshake that gets no answer."""
    end.send_raw(REQUEST if end.context is None else end.client_hello())
    end.wait_in_vain()


def _speak_no_tls(end: End) -> None:
    end.send_raw(REQUEST)
    end.note_answer()


HALF = len(REQUEST) // 2


def _upgrade() -> Iterator[Fault]:
    for act in SERVER_ACTS:
        if act.what == "sends an HTTP page":
            continue
        client: Script = expects_answer
        if act is STALLS:
            client = _then(End.begin, lambda end: end.send_head(REQUEST), _gives_up)
        for stage, response in (("no response yet", b""), ("partial response", ACCEPTED[:20])):
            server = _then(End.begin, End.note_request, _say(response), act.do)
            yield Fault("upstream", act.what, stage, server, client, act.tls)
    for act in SERVER_ACTS:
        if act in (STALLS, GARBLES, RESETS) or act.what.startswith("half-closes"):
            client = _then(End.begin, _say(REQUEST[:HALF]), _is_ready, End.await_fault)
            client = _then(
                client,
                *((_gives_up,) if act is STALLS else (_say(REQUEST[HALF:]), End.note_answer)),
            )
            # A close-notify would be one too many for what comes after it.
            tls = (False,) if act.what == "half-closes" else act.tls
            server = _then(End.begin, _await_ready, act.do)
            yield Fault("upstream", act.what, "partial request", server, client, tls)
    for act in CLIENT_ACTS:
        if act is GARBLES:
            yield Fault(
                "client",
                "sends garbage",
                "instead of a request",
                _tls_server,
                _then(End.begin, act.do),
            )
            continue
        yield Fault(
            "client",
            act.what,
            "partial request",
            _tls_server,
            _then(End.begin, _say(REQUEST[:HALF]), lambda end: end.until_seen(), act.do),
            act.tls,
        )
        for stage, response in (("no response yet", b""), ("partial response", ACCEPTED[:20])):
            server = _then(End.begin, End.note_request, _say(response), _mark, End.until_end)
            client = _then(End.begin, lambda end: end.send_head(REQUEST), End.await_fault, act.do)
            if act.what.startswith("half-closes"):
                server = _then(server, _answer_late(response))
                client = _then(
                    End.begin,
                    lambda end: end.send_head(REQUEST),
                    End.await_fault,
                    *((End.close_notify,) if act.what == "half-closes" else ()),
                    End.eof,
                    End.note_answer,
                    End.until_end,
                )
            yield Fault("client", act.what, stage, server, client, act.tls)


def _say(data: bytes) -> Script:
    return lambda end: end.send_head(data)


def _is_ready(end: End) -> None:
    end.ready.set()


def _await_ready(end: End) -> None:
    end.ready.wait(LIMIT)
    if end.is_again:
        end.note_request()  # else it is left to chance whether connecting fails already


def _mark(end: End) -> None:
    """It is the other one's turn to be at fault."""
    end.acted.set()


def _answer_late(response: bytes) -> Script:
    """Answer only after the client has ended its direction."""

    def script(end: End) -> None:
        with contextlib.suppress(OSError):  # it may be nobody's any more
            end.send_head(ACCEPTED[len(response) :])
            end.close_notify()
            end.eof()

    return script


FAULTS = (*_before(), *_upgrade(), *_after_upgrade())


def _cases() -> Iterator[Case]:
    for fault in FAULTS:
        for tls in fault.tls:
            yield Case(fault, tls, tls)
        for client_tls in (False, True):
            # The end that is at fault has to be able to do it.
            if (client_tls if fault.by == "client" else not client_tls) in fault.tls:
                yield Case(fault, client_tls, not client_tls)


CASES = tuple(_cases())
