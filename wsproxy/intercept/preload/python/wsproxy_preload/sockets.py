"""Blocking connections: `socket.create_connection`, which `websockets.sync` and http.client use."""

import functools

from . import route, tunnel


def patch_socket(module):
    create = module.create_connection

    @functools.wraps(create)
    def create_connection(address, *args, **kwargs):
        host, port = address[:2]
        # With a source address of its own the app wants a certain network.
        if kwargs.get("source_address") or args[1:2] not in ((), (None,)):
            return create(address, *args, **kwargs)
        if route.goes_through(host, port):
            sock = tunnel.open_blocking(
                lambda proxy: create(proxy, *args, **kwargs), host, port
            )
            if sock is not None:
                return sock
        return create(address, *args, **kwargs)

    module.create_connection = create_connection
