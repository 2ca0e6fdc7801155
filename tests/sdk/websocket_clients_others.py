"""WebSocket clients of Python that are used less: one session each, and what they saw.

websocket_clients_others.py HOST PORT TLS_BUNDLE NAMES...

Most of them open their sockets by themselves. Prints a line of JSON for each of NAMES.
"""

import json
import socket
import ssl
import sys

HOST, PORT, BUNDLE = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def url(name):
    return f"wss://{HOST}:{PORT}/{name}"


def httpx_ws_client(name):
    import httpx_ws

    with httpx_ws.connect_ws(url(name)) as ws:
        ws.send_text("hello")
        received = [ws.receive_text()]
        ws.send_text("bye")
        received.append(ws.receive_text())
        try:
            ws.receive_text()
        except httpx_ws.WebSocketDisconnect as closed:
            return received, closed.code


def niquests_client(name):
    import niquests

    with niquests.Session() as session:
        ws = session.get(url(name)).extension
        ws.send_payload("hello")
        received = [ws.next_payload()]
        ws.send_payload("bye")
        received.append(ws.next_payload())
        assert ws.next_payload() is None
        return received, 1000


def curl_cffi_client(name):
    from curl_cffi import requests

    with requests.Session() as session:
        ws = session.ws_connect(url(name))
        ws.send_str("hello")
        received = [ws.recv_str()]
        ws.send_str("bye")
        received.append(ws.recv_str())
        try:
            ws.recv_str()
        except requests.WebSocketError as closed:
            return received, closed.code


def trio_client(name):
    import trio
    from trio_websocket import ConnectionClosed, open_websocket_url

    async def main():
        async with open_websocket_url(url(name)) as ws:
            await ws.send_message("hello")
            received = [await ws.get_message()]
            await ws.send_message("bye")
            received.append(await ws.get_message())
            try:
                await ws.get_message()
            except ConnectionClosed as closed:
                return received, closed.reason.code

    return trio.run(main)


def lomond_client(name):
    import lomond

    received, code = [], None
    ws = lomond.WebSocket(url(name))
    for event in ws.connect(ping_rate=0):
        if event.name == "ready":
            ws.send_text("hello")
        elif event.name == "text":
            received.append(event.text)
            if len(received) == 1:
                ws.send_text("bye")
        elif event.name == "closing":
            code = event.code
    return received, code


def ws4py_client(name):
    from ws4py.client.threadedclient import WebSocketClient

    received, codes = [], []

    class Client(WebSocketClient):
        def opened(self):
            self.send("hello")

        def received_message(self, message):
            received.append(str(message))
            if len(received) == 1:
                self.send("bye")

        def closed(self, code, reason=None):
            codes.append(code)

    client = Client(url(name), ssl_options={"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": BUNDLE})
    client.connect()
    client.run_forever()
    return received, codes[0]


def simple_websocket_client(name):
    import simple_websocket

    ws = simple_websocket.Client(url(name), ssl_context=ssl.create_default_context())
    ws.send("hello")
    received = [ws.receive()]
    ws.send("bye")
    received.append(ws.receive())
    try:
        ws.receive()
    except simple_websocket.ConnectionClosed as closed:
        return received, int(closed.reason)


def _wsproto(name, send, receive):
    """A session over anything that sends and receives bytes, in the steps of its caller."""
    from wsproto import ConnectionType, WSConnection, events

    ws, received = WSConnection(ConnectionType.CLIENT), []
    yield send(ws.send(events.Request(host=HOST, target=f"/{name}")))
    while True:
        ws.receive_data((yield receive()))
        for event in ws.events():
            if isinstance(event, events.AcceptConnection):
                yield send(ws.send(events.TextMessage("hello")))
            elif isinstance(event, events.TextMessage):
                received.append(event.data)
                if len(received) == 1:
                    yield send(ws.send(events.TextMessage("bye")))
            elif isinstance(event, events.CloseConnection):
                yield send(ws.send(event.response()))
                return received, int(event.code)


def wsproto_memory(name):
    """TLS in memory over a socket."""
    sock = socket.create_connection((HOST, PORT))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=HOST)

    def perform(operation, *args):
        while True:
            try:
                return operation(*args)
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
            finally:
                sock.sendall(outgoing.read())

    perform(tls.do_handshake)
    steps = _wsproto(name, lambda data: perform(tls.write, data), lambda: perform(tls.read))
    result = None
    try:
        while True:
            result = steps.send(result)
    except StopIteration as done:
        return done.value
    finally:
        sock.close()


def wsproto_anyio(name):
    import anyio

    async def main():
        async with await anyio.connect_tcp(HOST, PORT, tls=True) as stream:
            steps = _wsproto(name, stream.send, stream.receive)
            result = None
            try:
                while True:
                    result = await steps.send(result)
            except StopIteration as done:
                return done.value

    return anyio.run(main)


def patched_by(library):
    """websocket-client, after a library has replaced the socket module's classes."""

    def client(name):
        if library == "gevent":
            from gevent import monkey

            monkey.patch_all()
        else:
            import eventlet

            eventlet.monkey_patch()
        import websocket

        ws = websocket.create_connection(url(name))
        ws.send("hello")
        received = [ws.recv()]
        ws.send("bye")
        received.append(ws.recv())
        _, data = ws.recv_data()
        return received, int.from_bytes(data[:2], "big")

    return client


CLIENTS = {
    "httpx-ws": httpx_ws_client,
    "niquests": niquests_client,
    "curl-cffi": curl_cffi_client,
    "trio-websocket": trio_client,
    "lomond": lomond_client,
    "ws4py": ws4py_client,
    "simple-websocket": simple_websocket_client,
    "wsproto-memory": wsproto_memory,
    "wsproto-anyio": wsproto_anyio,
    "gevent": patched_by("gevent"),
    "eventlet": patched_by("eventlet"),
}

for each in sys.argv[4:]:
    try:
        result, code = CLIENTS[each](each)
        seen = {"received": result, "code": code}
    except Exception as error:
        seen = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"client": each, **seen}), flush=True)
