"""A mitmproxy addon that reports, on a port, how many objects and tasks its process has.

Used with `-s` beside the recorder, by tests and benchmarks; no part of what is installed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections import Counter

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

KINDS = {"Relay", "Leg", "LiveSession", "SessionWriter", "ConnectionHandler", "HTTPFlow"}


class ObjectCounter:
    """Answers each line with one of JSON: "tasks" cheaply, "all" with counts of objects."""

    def load(self, loader: Loader) -> None:
        loader.add_option("object_counter_port", int, 0, "Port to report on.")

    async def running(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", ctx.options.object_counter_port, backlog=8
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readline()).strip()
        counts = {
            "tasks": len(asyncio.all_tasks()) - 1,  # not this one
            "threads": threading.active_count(),
        }
        if request == b"all":
            gc.collect()
            kinds = Counter(type(each).__name__ for each in gc.get_objects())
            counts |= {kind: kinds[kind] for kind in sorted(KINDS)}
        writer.write(json.dumps(counts).encode() + b"\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


addons = [ObjectCounter()]
