"""An app that opens connections in each way of the standard library; prints what each sees.

It runs in any version of Python from 3.8 on, with the preload of `wsproxy run`.
"""

import asyncio
import json
import socket
import sys
import threading


def database():
    """A server that speaks first, as databases do; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection = server.accept()[0]
            connection.sendall(b"database\n")
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def blocking(host, port, say=b"", create=socket.create_connection):
    with create((host, port), timeout=20) as sock:
        file = sock.makefile("rwb")
        lines = [file.readline()]
        if say:
            file.write(say)
            file.flush()
            lines.append(file.readline())
        return [line.decode() for line in lines]


def streams(host, port, say=b"", **options):
    async def main():
        reader, writer = await asyncio.open_connection(host, port, **options)
        lines = [await reader.readline()]
        if say:
            writer.write(say)
            lines.append(await reader.readline())
        writer.close()
        return [line.decode() for line in lines]

    return asyncio.run(main())


def of_library(code):
    """A function in a WebSocket library."""
    space = {"__name__": "websockets.somewhere", "socket": socket}
    exec(code, space)
    return space["function"]


def seen(connect, *args, **options):
    try:
        return connect(*args, **options)
    except OSError as error:
        return type(error).__name__


def is_temporary(connect, *args):
    """Whether a name cannot be resolved now: apps try that again."""
    try:
        return connect(*args)
    except socket.gaierror as error:
        return error.errno == socket.EAI_AGAIN


def resolve(host, *args, real=socket.getaddrinfo, **kwargs):
    """Names that the recorder would resolve, and this machine must not."""
    if host in ("localhost", "127.0.0.1"):
        return real(host, *args, **kwargs)
    raise socket.gaierror(socket.EAI_NONAME, "not known")


socket.getaddrinfo = resolve
CONNECT = "def function(*args, **kwargs): return socket.create_connection(*args, **kwargs)"
CONNECT_PROXY = """
def connect_proxy(*args, **kwargs): return socket.create_connection(*args, **kwargs)
def function(*args, **kwargs): return connect_proxy(*args, **kwargs)
"""
CALL = "def function(handler, *args): return handler(*args)"
PORT = database()
CASES = {
    "blocking https": (blocking, "api.speech.test", 443, b"one\n"),
    "blocking http": (blocking, "api.speech.test", 80, b"two\n"),
    "streams https": (streams, "api.speech.test", 443, b"three\n"),
    "bytes": (streams, b"bytes.speech.test", 443),
    "refused": (blocking, "refused.test", 443),
    "refused streams": (streams, "refused.test", 443),
    "unknown": (streams, "unknown.test", 443),
    "unresolved": (is_temporary, blocking, "unresolved.test", 443),
    "database": (blocking, "localhost", PORT),
    "database streams": (streams, "127.0.0.1", PORT),
    "no proxy": (seen, blocking, "excluded.test", 443),
    "library": (blocking, "odd.test", 8765, b"four\n", of_library(CONNECT)),
    "library to its proxy": (blocking, "localhost", PORT, b"", of_library(CONNECT_PROXY)),
    "called by library": (of_library(CALL), blocking, "localhost", PORT),
}

for name, (connect, *args) in CASES.items():
    print(json.dumps([name, seen(connect, *args)]))
loaded = "wsproxy_preload" in sys.modules
print(json.dumps(["patched", loaded and socket.create_connection.__module__ == "socket"]))
