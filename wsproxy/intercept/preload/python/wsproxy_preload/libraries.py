"""Libraries that open their connections by other ways than asyncio's and `socket`'s."""

import functools
from urllib.parse import urlsplit

from . import route, tunnel


def patch_aiohttp(module):
    """aiohttp reads no proxy variables, resolves names itself, and connects to addresses."""
    from .asyncio_loops import named_target

    connector = module.TCPConnector
    create = connector._create_direct_connection

    @functools.wraps(create)
    async def _create_direct_connection(self, req, *args, **kwargs):
        # Its HTTP requests are like those of any library.
        websocket = req.headers.get("Upgrade", "").lower() == "websocket"
        target = req.url.raw_host, req.port
        own_source = getattr(self, "_local_addr_infos", None)
        if own_source or not route.goes_through(*target, websocket=websocket):
            return await create(self, req, *args, **kwargs)
        token = named_target.set(target)
        try:
            return await create(self, req, *args, **kwargs)
        finally:
            named_target.reset(token)

    connector._create_direct_connection = _create_direct_connection
    happy_eyeballs = getattr(module, "aiohappyeyeballs", None)  # since aiohttp 3.10
    if happy_eyeballs is None:
        return
    start = happy_eyeballs.start_connection

    @functools.wraps(start)
    async def start_connection(*args, **kwargs):
        target = named_target.get()
        if target is not None:
            import asyncio

            sock = await tunnel.open_async(asyncio.get_running_loop(), *target)
            if sock is not None:
                return sock
        return await start(*args, **kwargs)

    happy_eyeballs.start_connection = start_connection


def patch_tornado(module):
    """tornado connects with streams of its own, to addresses."""
    from .asyncio_loops import named_target

    client = module.TCPClient
    connect, create = client.connect, client._create_stream

    @functools.wraps(connect)
    async def new_connect(self, host, port, *args, **kwargs):
        own_source = kwargs.get("source_ip") or kwargs.get("source_port")
        if own_source or not route.goes_through(host, port):
            return await connect(self, host, port, *args, **kwargs)
        token = named_target.set((host, port))
        try:
            return await connect(self, host, port, *args, **kwargs)
        finally:
            named_target.reset(token)

    @functools.wraps(create)
    def _create_stream(self, max_buffer_size, af, addr, **kwargs):
        target = named_target.get()
        if target is None:
            return create(self, max_buffer_size, af, addr, **kwargs)
        import asyncio

        family = tunnel.family()
        stream, connecting = create(self, max_buffer_size, family, route.PROXY, **kwargs)
        return stream, asyncio.ensure_future(_through(stream, connecting, target))

    async def _through(stream, connecting, target):
        await connecting
        await stream.write(tunnel.request(*target))
        answer = tunnel.Answer()
        answer.add(await stream.read_until(b"\r\n\r\n", max_bytes=tunnel.HEAD_LIMIT))
        if not answer.accepted:
            body = await stream.read_bytes(tunnel.BODY_LIMIT, partial=True)
            stream.close()
            raise tunnel.refusal(*target, body)
        return stream

    client.connect, client._create_stream = new_connect, _create_stream


def patch_azure(module):
    """Azure's SDK connects in C++; its configurations take a proxy."""
    for name in ("SpeechConfig", "SpeechTranslationConfig"):
        config = vars(module).get(name)
        if config is not None and config.__module__ == module.__name__:
            _give_proxy(config)


def _give_proxy(config):
    init = config.__init__

    @functools.wraps(init)
    def __init__(self, *args, **kwargs):
        init(self, *args, **kwargs)
        url = kwargs.get("endpoint") or kwargs.get("host") or ""
        host = urlsplit(url).hostname or "%s.stt.speech.microsoft.com" % kwargs.get("region")
        if route.goes_through(host, 443, websocket=True):
            self.set_proxy(*route.PROXY)

    config.__init__ = __init__
