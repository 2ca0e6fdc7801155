"""The contract with what is patched: each internal that is used is there, and means the same.

None of these names is promised to anybody. Run it on each version of mitmproxy and of Python
before the bounds in pyproject.toml are widened.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import inspect
import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls as tls_layers
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.test import tflow, tutils
from OpenSSL import SSL

from tls_certificates import Certificate
from wire_bytes import upgrade
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.proxy.redirect_addon import RedirectAddon

PROXY = Path(__file__).parents[2] / "wsproxy" / "proxy"

# Name: (the files that use it, the parameters that it is called with or replaced by).
INTERNALS: dict[str, tuple[str, list[str] | None]] = {
    # mitmproxy: run by ourselves
    "mitmproxy.ctx": (
        "access_addon record_addon chained_connection http1_patches connection_control "
        "redirect_addon options replay_addon",
        None,
    ),
    "mitmproxy.exceptions.OptionsError": ("record_addon embedding options replay_addon", None),
    "mitmproxy.version.VERSION": ("record_addon", None),
    "mitmproxy.addonmanager.Loader": ("access_addon record_addon options replay_addon", None),
    "mitmproxy.addonmanager.Loader.add_option": (
        "access_addon options replay_addon",
        ["name", "typespec", "default", "help", "choices"],
    ),
    "mitmproxy.options.Options.update": ("embedding", None),
    "mitmproxy.options.Options.set": ("embedding", ["specs", "defer"]),
    "mitmproxy.certs.CertStore.create_store": ("ca_folder", ["path", "basename", "key_size"]),
    "mitmproxy.tools.dump.DumpMaster": (
        "embedding",
        ["options", "loop", "with_termlog", "with_dumper"],
    ),
    "mitmproxy.tools.dump.DumpMaster.run": ("embedding", []),
    "mitmproxy.tools.dump.DumpMaster.shutdown": ("embedding", []),
    # mitmproxy: its flows and connections
    "mitmproxy.http.Response.make": (
        "access_addon record_addon redirect_addon",
        ["status_code", "content", "headers"],
    ),
    "mitmproxy.http.HTTPFlow": ("record_addon failure_cause relay_layer", None),
    "mitmproxy.connection.Client": (
        "record_addon embedding failure_cause connection_control pass_through_addon "
        "proxy_chain_addon redirect_addon relay_layer caught_connections",
        None,
    ),
    "mitmproxy.connection.Server": (
        "record_addon failure_cause connection_control pass_through_layer relay_layer",
        None,
    ),
    "mitmproxy.connection.Connection": ("relay_layer connection_control pass_through_layer", None),
    "mitmproxy.connection.ConnectionState.CAN_READ": ("record_addon relay_layer", None),
    "mitmproxy.proxy.mode_specs.UpstreamMode": ("embedding", None),
    "mitmproxy.options.CONF_DIR": ("embedding", None),
    "mitmproxy.proxy.mode_specs.ProxyMode.parse": ("embedding", ["spec"]),
    "mitmproxy.proxy.mode_specs.ReverseMode.transport_protocol": ("embedding", None),
    "mitmproxy.proxy.server_hooks.ServerConnectionHookData": (
        "access_addon record_addon redirect_addon proxy_chain_addon",
        None,
    ),
    "mitmproxy.tls.TlsData": ("record_addon", None),
    # mitmproxy: its HTTP/1, parts of which are replaced
    "h11._receivebuffer.ReceiveBuffer": ("head_limits", []),
    "h11._receivebuffer.ReceiveBuffer.maybe_extract_at_most": ("http1_patches", ["count"]),
    "mitmproxy.net.http.http1.expected_http_body_size": ("http1_patches", ["request", "response"]),
    "mitmproxy.net.http.url.default_port": ("http1_patches", ["scheme"]),
    "mitmproxy.net.http.url.parse_authority": (
        "access_addon http1_patches",
        ["authority", "check"],
    ),
    "mitmproxy.proxy.layer.CommandGenerator": ("head_limits", None),
    "mitmproxy.proxy.layer.NextLayer": (
        "record_addon http1_patches pass_through_addon",
        ["context"],
    ),
    "mitmproxy.proxy.layer.NextLayer.data_client": ("http1_patches", []),
    "mitmproxy.proxy.layer.NextLayer.data_server": ("http1_patches", []),
    "mitmproxy.proxy.layers.http.validate_request": (
        "http1_patches",
        ["mode", "request", "validate_inbound_headers"],
    ),
    "mitmproxy.proxy.layers.http.HTTPMode.transparent": ("head_limits", None),
    "mitmproxy.proxy.layers.http.HttpStream.state_consume_request_body": ("head_limits", ["event"]),
    "mitmproxy.proxy.layers.http.HttpStream.state_wait_for_request_headers": (
        "head_limits",
        ["event"],
    ),
    "mitmproxy.proxy.layers.http._base.ReceiveHttp": ("head_limits http1_patches", ["event"]),
    "mitmproxy.proxy.layers.http._events.HttpEvent": ("http1_patches", ["stream_id"]),
    "mitmproxy.proxy.layers.http._events.RequestData": ("head_limits", ["stream_id", "data"]),
    "mitmproxy.proxy.layers.http._events.RequestEndOfMessage": ("http1_patches", ["stream_id"]),
    "mitmproxy.proxy.layers.http._events.RequestHeaders": (
        "head_limits http1_patches",
        ["stream_id", "request", "end_stream"],
    ),
    "mitmproxy.proxy.layers.http._http1.Http1Client": ("http1_patches", ["context"]),
    "mitmproxy.proxy.layers.http._http1.Http1Client.read_headers": ("http1_patches", ["event"]),
    "mitmproxy.proxy.layers.http._http1.Http1Client.send": ("http1_patches", ["event"]),
    "mitmproxy.proxy.layers.http._http1.Http1Connection._handle_event": ("head_limits", ["event"]),
    "mitmproxy.proxy.layers.http._http1.Http1Connection.done": ("head_limits", ["event"]),
    "mitmproxy.proxy.layers.http._http1.Http1Connection.read_body": (
        "head_limits http1_patches",
        ["event"],
    ),
    "mitmproxy.proxy.layers.http._http1.Http1Server": (
        "head_limits http1_patches connection_control",
        ["context"],
    ),
    "mitmproxy.proxy.layers.http._http1.Http1Server.ReceiveProtocolError": ("head_limits", None),
    "mitmproxy.proxy.layers.http._http1.Http1Server.mark_done": (
        "http1_patches",
        ["request", "response"],
    ),
    "mitmproxy.proxy.layers.http._http1.Http1Server.read_headers": ("http1_patches", ["event"]),
    "mitmproxy.proxy.layers.http._http1.make_body_reader": ("http1_patches", ["expected_size"]),
    "mitmproxy.proxy.layers.http._upstream_proxy.HttpUpstreamProxy.receive_handshake_data": (
        "head_limits",
        ["data"],
    ),
    "mitmproxy.proxy.layers.tcp.TCPLayer": ("http1_patches pass_through_layer", ["context"]),
    # mitmproxy: what the relay takes the place of
    "mitmproxy.addons.proxyserver.Proxyserver": ("access_addon embedding connection_control", None),
    "mitmproxy.addons.proxyserver.Proxyserver.inject_event": ("relay_layer", ["event"]),
    "mitmproxy.addons.proxyserver.Proxyserver.listen_addrs": ("embedding", []),
    "mitmproxy.proxy.commands.CloseConnection": ("head_limits relay_layer", ["connection"]),
    "mitmproxy.proxy.commands.SendData": ("head_limits http1_patches", ["connection", "data"]),
    "mitmproxy.proxy.context.Context": (
        "relay_layer pass_through_addon pass_through_layer trial_addon",
        None,
    ),
    "mitmproxy.proxy.events.ConnectionClosed": ("relay_layer connection_control", ["connection"]),
    "mitmproxy.proxy.events.DataReceived": (
        "head_limits http1_patches relay_layer",
        ["connection", "data"],
    ),
    "mitmproxy.proxy.events.MessageInjected": ("relay_layer", ["flow", "message"]),
    "mitmproxy.proxy.layer.Layer": ("relay_layer", ["context"]),
    "mitmproxy.proxy.layer.Layer._handle_event": ("relay_layer", ["event"]),
    "mitmproxy.proxy.layers.http.HttpLayer": ("relay_layer connection_control", None),
    "mitmproxy.proxy.layers.tls.TLSLayer.receive_data": ("relay_layer", ["data"]),
    "mitmproxy.proxy.layers.tls.TLSLayer.tls_interact": ("relay_layer", []),
    "mitmproxy.proxy.layers.tls.TLSLayer.event_to_child": ("relay_layer", ["event"]),
    "mitmproxy.proxy.layers.websocket.WebsocketLayer": ("relay_layer", ["context", "flow"]),
    "mitmproxy.proxy.layers.websocket.WebsocketStartHook": ("relay_layer", ["flow"]),
    "mitmproxy.proxy.layers.websocket.WebsocketEndHook": ("relay_layer", ["flow"]),
    "mitmproxy.proxy.server.ConnectionHandler": ("relay_layer connection_control", None),
    "mitmproxy.proxy.server.ConnectionHandler.server_event": ("connection_control", ["event"]),
    "mitmproxy.proxy.tunnel.TunnelLayer": ("relay_layer", ["context", "tunnel_connection", "conn"]),
    # mitmproxy: what is passed through, or goes through another proxy
    "mitmproxy.proxy.layers.http._upstream_proxy.HttpUpstreamProxy": ("pass_through_layer", None),
    "mitmproxy.proxy.layers.tls.ClientTLSLayer": ("pass_through_addon", None),
    "mitmproxy.proxy.layers.tls.ServerTLSLayer": ("pass_through_addon", None),
    "mitmproxy.proxy.mode_specs.RegularMode": ("proxy_chain_addon embedding", None),
    "mitmproxy.proxy.mode_specs.ReverseMode": (
        "pass_through_addon proxy_chain_addon record_addon",
        None,
    ),
    "mitmproxy.proxy.mode_specs.Socks5Mode": ("proxy_chain_addon", None),
    "mitmproxy.proxy.tunnel.LayerStack": ("pass_through_layer", None),
    "mitmproxy.tls.ClientHello": ("client_fingerprint pass_through_addon pass_through_layer", None),
    "mitmproxy.proxy.server.asyncio": ("proxy_chain_addon", None),
    "OpenSSL.SSL._lib.SSL_set_cert_cb": ("client_certificate", None),
    "mitmproxy.proxy.layers.tls.TLSLayer.tls": ("pass_through_layer", None),
    # mitmproxy: connections that were caught
    "mitmproxy.connection.ConnectionState": ("adopted_server", None),
    "mitmproxy.net.tls.starts_like_tls_record": ("first_bytes", None),
    "mitmproxy.proxy.layers.modes.TransparentProxy": ("caught_connections", None),
    "mitmproxy.proxy.layers.tls.parse_client_hello": ("first_bytes", None),
    "mitmproxy.proxy.mode_servers.ProxyConnectionHandler": ("adopted_server", None),
    "mitmproxy.proxy.mode_specs.ProxyMode": ("caught_connections", None),
    "mitmproxy.proxy.server.ConnectionIO": ("adopted_server", None),
    # OpenSSL: the TLS connections that mitmproxy has made
    "OpenSSL.SSL.Connection.bio_read": ("tls_stream", ["bufsiz"]),
    "OpenSSL.SSL.Connection.bio_write": ("tls_stream", ["buf"]),
    "OpenSSL.SSL.Connection.get_state_string": ("relay_layer", []),
    "OpenSSL.SSL.Connection.recv": ("tls_stream", ["bufsiz", "flags"]),
    "OpenSSL.SSL.Connection.send": ("tls_stream", ["buf", "flags"]),
    "OpenSSL.SSL.Connection.set_shutdown": ("relay_layer", ["state"]),
    "OpenSSL.SSL.Connection.shutdown": ("tls_stream", []),
    "OpenSSL.SSL.Error": ("relay tls_stream", None),
    "OpenSSL.SSL.RECEIVED_SHUTDOWN": ("relay_layer", None),
    "OpenSSL.SSL.WantReadError": ("tls_stream", None),
    "OpenSSL.SSL.ZeroReturnError": ("tls_stream", None),
    # websockets: its masks in C, or in Python where it has none
    "websockets.utils.apply_mask": ("mask", ["data", "mask"]),
}


def find(name: str) -> Any:
    """What a dotted name stands for."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", INTERNALS)
def test_internals_each_name_exists_with_its_parameters(name: str) -> None:
    _, parameters = INTERNALS[name]
    found = find(name)
    if parameters is not None:
        taken = [each for each in inspect.signature(found).parameters if each != "self"]
        assert taken[: len(parameters)] == parameters


def test_internals_table_lists_every_imported_name_of_mitmproxy() -> None:
    """Both ways: no line of the table outlives its use."""
    used: dict[str, set[str]] = {}
    for path in PROXY.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mitmproxy"):
                for alias in node.names:
                    used.setdefault(f"{node.module}.{alias.name}", set()).add(path.stem)
    unlisted: dict[str, set[str]] = {}
    for name, files in used.items():
        if inspect.ismodule(find(name)):
            continue  # what is used of it is listed
        for each, (where, _) in INTERNALS.items():
            if each == name or each.startswith(f"{name}."):
                files -= set(where.split())
        if files:
            unlisted[name] = files
    assert not unlisted
    for name, (where, _) in INTERNALS.items():
        for file in where.split():
            (path,) = (
                PROXY.parent.glob(f"*/{file}.py") if file == "mask" else [PROXY / f"{file}.py"]
            )
            text = path.read_text()
            assert name.rpartition(".")[2] in text, f"{name} is not used in {file}.py"


# -- mitmproxy


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What an addon sees of a request while it is handled: the handler and its parts."""
    found: dict[str, Any] = {}

    class Probe(RedirectAddon):
        async def requestheaders(self, flow: Any) -> None:
            proxyserver = ctx.master.addons.get("proxyserver")
            found["proxyserver"] = proxyserver
            found["handler"] = handler = proxyserver.connections[flow.client_conn.id]
            found["client"] = flow.client_conn
            found["io"] = handler.transports[flow.client_conn]
            with handler.timeout_watchdog.disarm():
                found["last_activity"] = handler.timeout_watchdog.last_activity
            await super().requestheaders(flow)

    async def nobody(host: str, target: str) -> None:
        return None

    probe = Probe(nobody, others="refuse")
    settings = ProxySettings(port=0, confdir=tmp_path_factory.mktemp("ca"))
    with background(settings, probe) as running:
        assert running.address is not None
        with socket.create_connection(running.address, 20) as app:
            app.sendall(upgrade("http://host.example/v1/listen", "host.example"))
            assert app.recv(1000).startswith(b"HTTP/1.1 502")
            yield found


def test_mitmproxy_handler_has_what_the_relay_takes_over(seen: dict[str, Any]) -> None:
    handler, io = seen["handler"], seen["io"]
    assert isinstance(seen["proxyserver"], Proxyserver)
    assert isinstance(handler, ConnectionHandler)
    assert isinstance(handler._server_event_lock, asyncio.Lock)
    assert isinstance(seen["last_activity"], float)
    assert isinstance(io.reader, asyncio.StreamReader)
    assert isinstance(io.writer, asyncio.StreamWriter)
    assert isinstance(io.handler, asyncio.Task)
    assert callable(seen["proxyserver"].servers.update)


def test_mitmproxy_layers_contain_the_http_reader(seen: dict[str, Any]) -> None:
    handler = seen["handler"]
    (http,) = (each for each in handler.layer.context.layers if isinstance(each, HttpLayer))
    reader = http.connections[seen["client"]]
    assert isinstance(reader, Http1Server)
    assert isinstance(len(reader.buf), int)
    assert all(isinstance(each.context, Context) for each in http.streams.values())


def test_mitmproxy_websocket_layer_is_looked_up_late() -> None:
    source = inspect.getsource(importlib.import_module("mitmproxy.proxy.layers.http"))
    assert "websocket.WebsocketLayer(self.context, self.flow)" in source


def test_mitmproxy_layer_during_hook_queues_events() -> None:
    class Asks(layer.Layer):
        def _handle_event(self, event: events.Event) -> Any:
            if isinstance(event, events.Start):
                yield commands.OpenConnection(self.context.server)  # is waited for, as a hook is

    context = Context(tflow.tclient_conn(), Options())
    asks = Asks(context)
    list(asks.handle_event(events.Start()))
    list(asks.handle_event(events.DataReceived(context.client, b"x")))
    assert isinstance(asks._paused_event_queue, deque)
    assert len(asks._paused_event_queue) == 1


def test_mitmproxy_tls_layer_has_its_connection() -> None:
    context = Context(tflow.tclient_conn(), Options())
    tls = tls_layers.ServerTLSLayer(context)
    assert tls.conn is context.server
    assert "self.tls" in inspect.getsource(tls_layers)
    assert tls.tunnel_connection is context.server
    assert tls.child_layer is None or isinstance(tls.child_layer, layer.Layer)


def test_mitmproxy_connections_have_used_attributes() -> None:
    client, server = tflow.tclient_conn(), Server(address=("host", 443))
    for name in ["id", "peername", "error", "alpn", "tls", "state", "proxy_mode"]:
        assert hasattr(client, name)
    for name in ["address", "via", "error", "tls", "timestamp_tcp_setup", "timestamp_tls_setup"]:
        assert hasattr(server, name)
    assert isinstance(client, Client)
    flow = tflow.tflow(req=tutils.treq())
    for name in [
        "id",
        "client_conn",
        "server_conn",
        "request",
        "response",
        "error",
        "websocket",
        "metadata",
        "live",
    ]:
        assert hasattr(flow, name)


def test_h11_buffer_has_search_position() -> None:
    buffer = ReceiveBuffer()
    buffer += b"GET / HTTP/1.1\r\nHost"
    assert buffer.maybe_extract_lines() is None
    assert buffer._data == b"GET / HTTP/1.1\r\nHost"
    assert buffer._multiple_lines_search == len(buffer) - 2
    buffer.maybe_extract_at_most(3)
    assert buffer._multiple_lines_search == 0


# -- asyncio


def test_asyncio_reader_has_its_buffer_and_its_waiter() -> None:
    async def main() -> None:
        reader = asyncio.StreamReader(limit=10)
        paused: list[bool] = []

        class Transport(asyncio.Transport):
            def pause_reading(self) -> None:
                paused.append(True)

        assert (reader._paused, reader._waiter) == (False, None)  # type: ignore[attr-defined]
        reading = asyncio.create_task(reader.read(5))
        await asyncio.sleep(0)
        waiter = reader._waiter  # type: ignore[attr-defined]
        assert isinstance(waiter, asyncio.Future)
        reader.set_transport(Transport())
        reader.feed_data(bytes(30))
        assert waiter.done()
        assert await reading == bytes(5)
        assert reader._buffer == bytearray(25)  # type: ignore[attr-defined]
        assert (paused, reader._paused) == ([True], True)  # type: ignore[attr-defined]

    asyncio.run(main())


def test_asyncio_lock_has_its_waiters() -> None:
    async def main() -> None:
        lock = asyncio.Lock()
        assert not lock._waiters
        await lock.acquire()
        waiting = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        assert lock._waiters
        lock.release()
        # The one that is woken up has not run yet: nobody holds the lock, and it is not free.
        assert lock._waiters
        await waiting
        assert not lock._waiters

    asyncio.run(main())


def test_asyncio_transport_read_size_is_configurable() -> None:
    async def main() -> None:
        sizes: list[int] = []
        came = asyncio.Event()

        class Reads(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transport.max_size = 10  # type: ignore[attr-defined]

            def data_received(self, data: bytes) -> None:
                sizes.append(len(data))
                if sum(sizes) == 100:
                    came.set()

        server = await asyncio.get_running_loop().create_server(Reads, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(bytes(100))
        await asyncio.wait_for(came.wait(), 20)
        assert max(sizes) == 10
        writer.close()
        server.close()

    asyncio.run(main())


# -- OpenSSL


def joined(folder: Path) -> tuple[SSL.Connection, SSL.Connection]:
    """Both ends of a TLS connection, on memory BIOs as mitmproxy makes them."""
    certificate = Certificate.make(folder / "certificate.pem")
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate_chain_file(str(certificate.path))
    context.use_privatekey_file(str(certificate.path))
    server, client = SSL.Connection(context), SSL.Connection(SSL.Context(SSL.TLS_METHOD))
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(4):
        for each, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                each.do_handshake()
            carry(each, other)
    return client, server


def carry(source: SSL.Connection, to: SSL.Connection) -> None:
    with contextlib.suppress(SSL.WantReadError):
        while data := source.bio_read(1 << 16):
            to.bio_write(data)


def test_openssl_connection_state_is_reported(tmp_path: Path) -> None:
    client, server = joined(tmp_path)
    with pytest.raises(SSL.WantReadError):
        server.recv(10)
    client.sendall(b"x")
    carry(client, server)
    assert server.recv(10) == b"x"
    client.shutdown()
    carry(client, server)
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(10)
    assert all(issubclass(each, SSL.Error) for each in (SSL.WantReadError, SSL.ZeroReturnError))


def test_openssl_broken_connection_is_reported(tmp_path: Path) -> None:
    _, server = joined(tmp_path)
    assert server.get_state_string() != b"error"
    server.bio_write(b"this is no TLS record")
    with pytest.raises(SSL.Error):
        server.recv(10)
    assert server.get_state_string() == b"error"
