"""Loaded by Python at the start of a command that `wsproxy run` started.

The asyncio client of `websockets` before version 15, which newer versions still ship as
`websockets.legacy`, does not support proxies: with this module it connects through HTTPS_PROXY.
Nothing else is changed, and wsproxy need not be installed for that Python.
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from urllib.parse import urlsplit

_TARGET = "websockets.legacy.client"
_HERE = os.path.dirname(os.path.abspath(__file__))


class _PatchOnImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module as Python does, and patches it after it was executed."""

    def __init__(self):
        self._loader = None

    def find_spec(self, name, path=None, target=None):
        if name != _TARGET:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        _patch(module.Connect)


def _patch(connect):
    init = connect.__init__

    def __init__(self, uri, *args, **kwargs):
        init(self, uri, *args, **kwargs)
        create = getattr(self, "_create_connection", None)
        arguments = getattr(create, "args", ())
        # Without a host: the app passes its own socket or a path.
        if os.environ.get("https_proxy") and len(arguments) == 3 and arguments[1] is not None:
            # A partial like the original: redirects read its arguments and build another one.
            self._create_connection = functools.partial(
                _create_connection, *arguments, **create.keywords
            )

    connect.__init__ = __init__


async def _create_connection(factory, host, port, **options):
    import asyncio  # imported late: every Python under `wsproxy run` loads this file

    loop = asyncio.get_running_loop()
    if options.get("ssl"):
        options.setdefault("server_hostname", host)
    sock = await _tunnel(loop, os.environ["https_proxy"], host, port)
    return await loop.create_connection(factory, sock=sock, **options)


async def _tunnel(loop, proxy, host, port):
    """A socket that is connected to host and port through an HTTP proxy."""
    import socket

    url = urlsplit(proxy)
    infos = await loop.getaddrinfo(url.hostname, url.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = infos[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        target = "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)
        head = "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, target)
        await loop.sock_sendall(sock, head.encode("ascii"))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            # Byte by byte: data after the head belongs to the connection.
            byte = await loop.sock_recv(sock, 1)
            if not byte or len(answer) > 65536:
                raise ConnectionError("the proxy closed the connection")
            answer += byte
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        if " 200" not in status:
            raise ConnectionError("the proxy refused: " + status)
    except BaseException:
        sock.close()
        raise
    return sock


def _run_own_sitecustomize():
    """Run the sitecustomize that this one shadows."""
    path = [p for p in sys.path if os.path.abspath(p or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


sys.meta_path.insert(0, _PatchOnImport())
_run_own_sitecustomize()
