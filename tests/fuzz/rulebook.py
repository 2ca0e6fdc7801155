"""A catalog file's text, checked and matched against odd sessions."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import wsproxy.catalog
from fuzz.judge import run, scratch
from wsproxy.catalog import checker, loader
from wsproxy.catalog.loader import Catalog, CatalogFile, read_file
from wsproxy.catalog.model import Condition, Provider
from wsproxy.diagnose import diagnose, summary
from wsproxy.errors import CatalogError
from wsproxy.session import Session
from wsproxy.trace import End, Eof, Failure, FrameRecord, Record, Request, Response, Start
from wsproxy.wire import Close, Opcode

_SHIPPED = Path(wsproxy.catalog.__file__).parent
_MAX_SEED = 4000  # characters


class _Shipped(CatalogFile):
    """A file that comes with wsproxy, whose conditions are read once and not for each input."""

    def __init__(self, file: CatalogFile) -> None:
        vars(self).update(vars(file))

    def conditions(self, provider: Provider) -> tuple[Condition, ...]:
        return self._read_once if provider is self.provider else super().conditions(provider)

    @functools.cached_property
    def _read_once(self) -> tuple[Condition, ...]:
        assert self.provider is not None
        return super().conditions(self.provider)


@functools.cache
def _shipped() -> list[CatalogFile]:
    return [_Shipped(file) for file in loader.shipped_files()]


def one(data: bytes) -> None:
    with scratch() as folder:
        path = folder / "own.toml"
        path.write_bytes(data)
        with patch.object(checker, "shipped_files", _shipped):
            sound = run(["catalog", "check", str(path)]).status == 0
        try:
            own = read_file(path)
            catalog = Catalog([*_shipped(), own])
            conditions = catalog.conditions_of(own.provider_id)
        except CatalogError:
            assert not sound, "a file without mistakes cannot be loaded"
            return
        catalog.recognize("api.example.com:443", "/v1/listen?x=1")
        assert catalog.credentials is not None
        assert conditions is not None
        for session in _sessions(own):
            diagnose(session, catalog)
            summary(session, catalog)


def _sessions(own: CatalogFile) -> Iterator[Session]:
    """Sessions that have a little of everything, as this provider's."""
    names = [api.name for api in own.provider.apis[:2]] if own.provider else ["listen"]
    for api in [*names, None]:
        start = Start(0, 1, "ab", 0, provider=own.provider_id, api=api)
        asked = Request(1, "GET", "wss", "api.example.com", 443, "/v1/x?a=1", headers=[["A", "b"]])
        refused: list[Record] = [
            start,
            asked,
            Response(2, 429, headers=[["X", ""]], body=b'{"a":[1]}'),
        ]
        messages = [b'{"type":"Error","code":1011,"error":{"code":null}}', b"[]", b"\xff", b"null"]
        frames = (FrameRecord(n, n % 2 == 0, Opcode.TEXT, text) for n, text in enumerate(messages))
        close = FrameRecord(9, False, Opcode.CLOSE, Close(1011, "x\u202e").serialize())
        closed: list[Record] = [start, asked, Response(2, 101), *frames, close, Eof(10, True)]
        failed: list[Record] = [start, asked, Failure(3, "dns", False, "no"), End(4, "failed")]
        for records in (refused, closed, failed):
            session = Session()
            for record in records:
                session.add(record)
            yield session


def seeds() -> Iterator[bytes]:
    """Pieces of the shipped files: a head with the first conditions that fit behind it."""
    for path in sorted(_SHIPPED.glob("*.toml")):
        head, *conditions = path.read_text(encoding="utf-8").split("[[condition]]\n")
        yield head.encode()
        add = "".join(re.findall(r"^(?:schema|provider) = .*\n", head, re.MULTILINE))
        for text in [*conditions[:3], *conditions[3::12]]:
            if len(text) < _MAX_SEED:
                yield f"{add}[[condition]]\n{text}".encode()
