"""A reset after a FIN is noticed, with and without the kernel's events for it."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from wire_bytes import accepted, upgrade
from wire_witness import PATIENCE, wait_until
from wsproxy.proxy import reset_after_fin
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.system.tcp import reset_on_close


@pytest.fixture(params=["epoll", "polling"])
def watch_for_reset(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., reset_after_fin.ResetWatch]:
    if request.param == "polling":
        monkeypatch.delattr("select.epoll", raising=False)
    elif not hasattr(select, "epoll"):
        pytest.skip("there is none here")
    return reset_after_fin.watch_for_reset


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection; the first one's peer has sent its FIN."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.shutdown(socket.SHUT_WR)
    assert ours.recv(1) == b""
    return ours, peer


def reset(peer: socket.socket) -> None:
    reset_on_close(peer)
    peer.close()


def test_watch_reset_after_fin_is_reported_once(
    watch_for_reset: Callable[..., reset_after_fin.ResetWatch],
) -> None:
    async def main() -> None:
        ours, peer = pair()
        found: list[OSError] = []
        came = asyncio.Event()

        def on_reset(error: OSError) -> None:
            found.append(error)
            came.set()

        watch = watch_for_reset(ours, on_reset)
        await asyncio.sleep(3 * reset_after_fin.POLL_INTERVAL)
        assert not found
        reset(peer)
        await asyncio.wait_for(came.wait(), PATIENCE)
        await asyncio.sleep(3 * reset_after_fin.POLL_INTERVAL)
        assert len(found) == 1
        watch.close()
        watch.close()
        ours.close()

    asyncio.run(main())


def test_watch_end_in_order_is_not_reported(
    watch_for_reset: Callable[..., reset_after_fin.ResetWatch],
) -> None:
    async def main() -> None:
        ours, peer = pair()
        found: list[OSError] = []
        watch = watch_for_reset(ours, found.append)
        ours.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""
        peer.close()
        await asyncio.sleep(3 * reset_after_fin.POLL_INTERVAL)
        assert not found
        watch.close()
        ours.close()

    asyncio.run(main())


def test_watch_that_is_closed_reports_nothing(
    watch_for_reset: Callable[..., reset_after_fin.ResetWatch],
) -> None:
    async def main() -> None:
        ours, peer = pair()
        found: list[OSError] = []
        watch_for_reset(ours, found.append).close()
        reset(peer)
        await asyncio.sleep(3 * reset_after_fin.POLL_INTERVAL)
        assert not found
        ours.close()

    asyncio.run(main())


def test_relay_server_resets_after_its_fin_resets_the_app(
    watch_for_reset: Callable[..., reset_after_fin.ResetWatch], tmp_path: Path
) -> None:
    """As a process does that closes, and gets something after that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        settings = ProxySettings(port=0, out=tmp_path / "out", confdir=tmp_path / "ca")
        with background(settings) as running:
            assert running.address is not None
            with socket.create_connection(running.address, PATIENCE) as app:
                app.sendall(upgrade(f"http://{target}/v1/listen", target))
                server, _ = listener.accept()
                server.settimeout(PATIENCE)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += server.recv(4096)
                server.sendall(accepted())
                server.shutdown(socket.SHUT_WR)
                while app.recv(4096):
                    pass
                reset(server)
                wait_until(lambda: app.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0)
