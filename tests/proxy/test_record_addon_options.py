"""mitmproxy's options of the recording addon, while it records."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.exceptions import OptionsError
from mitmproxy.test import taddons

from wsproxy.proxy.record_addon import RecordAddon

FIXED = {
    "wsproxy_out": "other",
    "wsproxy_max_payload": "1kB",
    "wsproxy_max_size": "2MB",
    "wsproxy_max_folder": "20MB",
    "wsproxy_fsync": "block",
    "wsproxy_strict": True,
}


@pytest.mark.parametrize("name", FIXED)
def test_record_addon_fixed_option_changed_while_recording_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def change() -> None:
        addon = RecordAddon()
        with taddons.context(Proxyserver(), addon) as context:
            context.configure(addon, wsproxy_out="traces")
            addon.running()
            before = getattr(context.options, name)
            try:
                with pytest.raises(OptionsError, match=f"^{name}: .*while recording"):
                    context.options.update(**{name: FIXED[name]})
                assert getattr(context.options, name) == before
                # These are asked for with each session.
                context.options.update(wsproxy_host=["deepgram"], wsproxy_capture="messages")
            finally:
                addon.done()

    asyncio.run(change())
    assert [path.name for path in tmp_path.iterdir()] == ["traces"]


@pytest.mark.parametrize(
    ("frozen", "expected"), [(0, ["collect", "freeze", "unfreeze"]), (1000, [])]
)
def test_record_addon_objects_that_the_program_froze_stay_frozen(
    frozen: int, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each recorder in the process of the tests had all of their objects collected again."""
    calls: list[str] = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: frozen)
    for name in ("collect", "freeze", "unfreeze"):
        monkeypatch.setattr(gc, name, partial(calls.append, name))

    async def record() -> None:
        addon = RecordAddon()
        with taddons.context(Proxyserver(), addon) as context:
            context.configure(addon, wsproxy_out=str(tmp_path / "traces"))
            addon.running()
            addon.done()

    asyncio.run(record())
    assert calls == expected
