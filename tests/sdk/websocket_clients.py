"""WebSocket clients of Python: one session each with an echo server, and what they saw.

websocket_clients.py HOST PORT TLS_BUNDLE FOLDER NAMES...

HOST is a made-up name: it resolves to this machine, unless CLIENTS_SYSTEM_RESOLVER is set. FOLDER
has another version of websockets, or is "-". Prints a line of JSON for each of NAMES.
"""

import asyncio
import importlib
import json
import os
import socket
import ssl
import sys

HOST, PORT, BUNDLE, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if FOLDER != "-":
    sys.path.insert(0, FOLDER)
resolve = socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    return resolve("127.0.0.1" if name == HOST else host, *args, **kwargs)


by_system = "CLIENTS_SYSTEM_RESOLVER" in os.environ
if not by_system:
    socket.getaddrinfo = getaddrinfo
    socket.gethostbyname = lambda name: "127.0.0.1"  # Twisted's resolver


def url(name):
    # uvloop resolves names by itself.
    host = "localhost" if "uvloop" in name and not by_system else HOST
    return f"wss://{host}:{PORT}/{name}"


def bundle_context():
    """As an app does that passes certifi's bundle."""
    return ssl.create_default_context(cafile=BUNDLE)


# ---- websockets


async def _converse(connecting):
    async with connecting as ws:
        await ws.send("hello")
        received = [await ws.recv()]
        await ws.send("bye")
        received.append(await ws.recv())
        await ws.wait_closed()
        return received, ws.close_code


def _converse_sync(connecting):
    with connecting as ws:
        ws.send("hello")
        received = [ws.recv()]
        ws.send("bye")
        received.append(ws.recv())
        try:
            ws.recv()
        except Exception as closed:
            return received, getattr(closed, "code", None) or closed.rcvd.code


def websockets_of(module, **options):
    def client(name):
        connect = importlib.import_module(module).connect
        given = {"ssl": bundle_context()} if "bundle" in options else options

        async def main():
            return await _converse(connect(url(name), **given))

        return asyncio.run(main())

    return client


def websockets_sync(**options):
    def client(name):
        from websockets.sync.client import connect

        return _converse_sync(connect(url(name), **options))

    return client


def on_uvloop(client):
    def run(name):
        import uvloop

        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        try:
            return client(name)
        finally:
            asyncio.set_event_loop_policy(before)

    return run


# ---- others


def websocket_client(name, **options):
    import websocket

    ws = websocket.create_connection(url(name), **options)
    ws.send("hello")
    received = [ws.recv()]
    ws.send("bye")
    received.append(ws.recv())
    opcode, data = ws.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return received, int.from_bytes(data[:2], "big")


def websocket_client_bundle(name):
    return websocket_client(name, sslopt={"ca_certs": BUNDLE})


def aiohttp_client(**options):
    def client(name):
        import aiohttp

        given = {"ssl": bundle_context()} if options.get("bundle") else {}

        async def main():
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(url(name), **given) as ws,
            ):
                await ws.send_str("hello")
                received = [await ws.receive_str()]
                await ws.send_str("bye")
                received.append(await ws.receive_str())
                await ws.receive()
                return received, ws.close_code

        return asyncio.run(main())

    return client


def aiohttp_refused(name):
    """The error for a port where nothing listens."""
    import aiohttp

    async def main():
        async with aiohttp.ClientSession() as session:
            try:
                await session.ws_connect(f"wss://{HOST}:{free_port()}/{name}")
            except aiohttp.ClientError as error:
                return [type(error).__name__, error.os_error.errno], None

    return asyncio.run(main())


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def picows_client(**options):
    def client(name):
        from picows import WSCloseCode, WSListener, WSMsgType, ws_connect

        received = []

        class Listener(WSListener):
            def on_ws_connected(self, transport):
                transport.send(WSMsgType.TEXT, b"hello")

            def on_ws_frame(self, transport, frame):
                if frame.msg_type == WSMsgType.TEXT:
                    received.append(frame.get_payload_as_utf8_text())
                    if len(received) == 1:
                        transport.send(WSMsgType.TEXT, b"bye")
                elif frame.msg_type == WSMsgType.CLOSE:
                    received.append(int(frame.get_close_code()))
                    transport.send_close(WSCloseCode.OK)
                    transport.disconnect()

        async def main():
            transport, _ = await ws_connect(Listener, url(name), **options)
            await transport.wait_disconnected()

        asyncio.run(main())
        return received[:2], received[2]

    return client


def tornado_client(name):
    from tornado.websocket import websocket_connect

    async def main():
        ws = await websocket_connect(url(name))
        await ws.write_message("hello")
        received = [await ws.read_message()]
        await ws.write_message("bye")
        received.append(await ws.read_message())
        assert await ws.read_message() is None
        return received, ws.close_code

    return asyncio.run(main())


def _autobahn_protocol(base, done):
    class Client(base):
        received = ()

        # The names are autobahn's.
        def onOpen(self):  # noqa: N802
            self.sendMessage(b"hello")

        def onMessage(self, payload, is_binary):  # noqa: N802
            self.received = [*self.received, payload.decode()]
            if len(self.received) == 1:
                self.sendMessage(b"bye")

        def onClose(self, was_clean, code, reason):  # noqa: N802
            done(self.received, code)

    return Client


def autobahn_asyncio(name):
    from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

    async def main():
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        factory = WebSocketClientFactory(url(name), loop=loop)
        factory.protocol = _autobahn_protocol(
            WebSocketClientProtocol, lambda *seen: ended.set_result(seen)
        )
        await loop.create_connection(factory, HOST, PORT, ssl=ssl.create_default_context())
        return await ended

    return asyncio.run(main())


def autobahn_twisted(name):
    from autobahn.twisted.websocket import (
        WebSocketClientFactory,
        WebSocketClientProtocol,
        connectWS,
    )
    from twisted.internet import reactor
    from twisted.internet import ssl as tls

    seen = []

    def done(*result):
        seen.append(result)
        reactor.stop()

    factory = WebSocketClientFactory(url(name))
    factory.protocol = _autobahn_protocol(WebSocketClientProtocol, done)
    connectWS(factory, tls.optionsForClientTLS(HOST))
    reactor.run(installSignalHandlers=False)
    return seen[0]


CLIENTS = {
    "websockets": websockets_of("websockets"),
    "websockets-asyncio": websockets_of("websockets.asyncio.client"),
    "websockets-asyncio-no-proxy": websockets_of("websockets.asyncio.client", proxy=None),
    "websockets-bundle": websockets_of("websockets", bundle=True),
    "websockets-client": websockets_of("websockets.client"),
    "websockets-legacy": websockets_of("websockets.legacy.client"),
    "websockets-sync": websockets_sync(),
    "websockets-sync-no-proxy": websockets_sync(proxy=None),
    "websockets-legacy-uvloop": on_uvloop(websockets_of("websockets.legacy.client")),
    "websockets-uvloop": on_uvloop(websockets_of("websockets", proxy=None)),
    "websocket-client": websocket_client,
    "websocket-client-bundle": websocket_client_bundle,
    "aiohttp": aiohttp_client(),
    "aiohttp-bundle": aiohttp_client(bundle=True),
    "aiohttp-uvloop": on_uvloop(aiohttp_client()),
    "aiohttp-refused": aiohttp_refused,
    "picows": picows_client(),
    "picows-asyncio": picows_client(use_aiofastnet=False),
    "tornado": tornado_client,
    "autobahn-asyncio": autobahn_asyncio,
    "autobahn-twisted": autobahn_twisted,
}

for each in sys.argv[5:]:
    try:
        result, code = CLIENTS[each](each)
        seen = {"received": result, "code": code}
    except Exception as error:
        seen = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"client": each, **seen}), flush=True)
