"""Connections of asyncio's loops, of uvloop's, and of aiofastnet, which picows uses."""

import functools
from contextvars import ContextVar

from . import route, tunnel

# The (host, port) of a library that resolves names itself, and then connects to addresses.
named_target = ContextVar("wsproxy_named_target", default=None)

# What a connection with a socket does not take, or what says how to make the socket.
_SOCKET_OPTIONS = (
    "all_errors", "family", "flags", "happy_eyeballs_delay", "interleave", "local_addr", "proto"
)


def patch_asyncio(module):
    _patch_loop(module.BaseEventLoop)


def patch_uvloop(module):
    _patch_loop(module.Loop)  # a class in Python, above the one in C


def _patch_loop(loop_class):
    loop_class.create_connection = _routed(loop_class.create_connection)


def patch_aiofastnet(module):
    module.create_connection = _routed(module.create_connection)


def _routed(create):
    """`create_connection` of a loop, through the recorder where `route` says so."""

    @functools.wraps(create)
    async def create_connection(loop, protocol_factory, host=None, port=None, **options):
        if options.get("sock") is None and not options.get("local_addr") and host:
            target = named_target.get()
            websocket = route.is_of_websocket_library(protocol_factory) or None
            if target is None and route.goes_through(host, port, websocket):
                target = host, port
            sock = None if target is None else await tunnel.open_async(loop, *target)
            if sock is not None:
                kept = {name: options[name] for name in options if name not in _SOCKET_OPTIONS}
                if kept.get("ssl"):
                    kept["server_hostname"] = kept.get("server_hostname") or host
                try:
                    return await create(loop, protocol_factory, **{**kept, "sock": sock})
                except BaseException:
                    sock.close()
                    raise
        return await create(loop, protocol_factory, host, port, **options)

    return create_connection
