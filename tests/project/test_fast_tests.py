"""Which test modules `make check` runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fast_tests import HERE, is_fast


@pytest.mark.parametrize(
    ("name", "fast"),
    [
        ("wire/test_frames.py", True),
        ("catalog/test_catalog_match.py", True),
        ("proxy/test_relay.py", False),
        ("simulate/test_sdks.py", False),
        ("api/test_pytest_plugin.py", False),  # pytester
        ("mutate/test_mutate_cli.py", False),  # through a helper, commands.py
        ("scrub/test_scrub_samples.py", False),  # replays
    ],
)
def test_is_fast_of_modules_here_is_by_what_they_import(name: str, fast: bool) -> None:
    assert is_fast(HERE / name) is fast


@pytest.mark.parametrize(
    ("source", "fast"),
    [
        ("import json\n", True),
        ("import websockets.frames\n", True),
        ("import asyncio\n", False),
        ("import os, subprocess\n", False),
        ("from wsproxy.proxy.embed import background\n", False),
        ("from websockets.sync.client import connect\n", False),
        ("def test_it():\n    import socket\n", False),
        ("from commands import wsproxy\n", False),
        ("from traces import make_trace\n", True),
    ],
)
def test_is_fast_of_imports_is_false_for_processes_and_connections(
    source: str, fast: bool, tmp_path: Path
) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(source)
    assert is_fast(module) is fast
