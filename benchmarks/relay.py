"""A plain asyncio TCP relay that speaks CONNECT: the least that a proxy in Python can cost.

Usage: python -m benchmarks.relay PORT
"""

import asyncio
import sys


class Leg(asyncio.Protocol):
    """One connection; copies what comes to its peer."""

    def __init__(self) -> None:
        self.peer: Leg | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.transport.write(data)
        else:
            self.connect(data)

    def connect(self, request: bytes) -> None:
        host, _, port = request.split(b" ", 2)[1].rpartition(b":")
        self.transport.pause_reading()
        self.task = asyncio.ensure_future(self._connect(host.decode(), int(port)))

    async def _connect(self, host: str, port: int) -> None:
        _, self.peer = await asyncio.get_running_loop().create_connection(Leg, host, port)
        self.peer.peer = self
        self.transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
        self.transport.resume_reading()

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None:
            self.peer.transport.close()


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Leg, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
