"""What leads apps to servers on this machine, where one of those resets at once."""

from __future__ import annotations

import asyncio
import queue
import socket
from pathlib import Path
from typing import Any

import pytest

from wire_bytes import upgrade
from wire_witness import PATIENCE
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.proxy.redirect_addon import LocalRecordAddon, RedirectAddon
from wsproxy.recorder import SessionWriter


@pytest.mark.parametrize("asks_first", [True, False])
@pytest.mark.parametrize("kind", ["record", "lead"])
def test_redirect_immediate_server_reset_ends_the_app_connection(
    kind: str, asks_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection reset as soon as it was made has no peer, which mitmproxy does not expect."""
    ended: queue.Queue[SessionWriter] = queue.Queue()
    stock = asyncio.StreamWriter.get_extra_info
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server: tuple[str, int] = listener.getsockname()

        def get_extra_info(writer: Any, name: str, default: Any = None) -> Any:
            found = stock(writer, name, default)
            return None if name == "peername" and found == server else found

        async def answer(host: str, target: str) -> tuple[str, int]:
            return server

        monkeypatch.setattr(asyncio.StreamWriter, "get_extra_info", get_extra_info)
        addon = (
            LocalRecordAddon(on_end=ended.put)
            if kind == "record"
            else RedirectAddon(answer, others="here")
        )
        settings = ProxySettings(port=0, out=tmp_path / "out", confdir=tmp_path / "ca")
        with background(settings, addon) as running:
            assert running.address is not None
            with socket.create_connection(running.address) as app:
                app.settimeout(PATIENCE)
                target = f"{server[0]}:{server[1]}"
                if asks_first:
                    head = upgrade(f"http://{target}/v1/listen", target)
                else:
                    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
                    head += upgrade("/v1/listen", target) if kind == "lead" else b""
                app.sendall(head)
                while received := app.recv(1000):
                    assert received.startswith(b"HTTP/1.1 200 ")  # to CONNECT
            if kind == "record":
                failure = ended.get(timeout=PATIENCE).session.failure
                assert failure is not None
                assert "as soon as it was made" in failure.message
