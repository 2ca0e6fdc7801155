"""NO_PROXY means the same in the preloads of each language."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from wsproxy.intercept import preloads

FOLDER = Path(preloads.__file__).parent / "preload"
# The variable, host, port, and whether the connection stays direct.
RULES = [
    ("", "api.speech.test", 443, False),
    ("*", "api.speech.test", 443, True),
    ("speech.test", "api.speech.test", 443, True),
    ("speech.test", "speech.test", 443, True),
    ("speech.test", "aspeech.test", 443, False),
    (".speech.test", "api.speech.test", 443, True),
    ("*.speech.test", "api.speech.test", 443, True),
    ("Speech.Test", "API.speech.test.", 443, True),
    ("other.test, api.speech.test", "api.speech.test", 443, True),
    ("other.test api.speech.test", "api.speech.test", 443, True),
    ("other.test,,", "api.speech.test", 443, False),
    ("api.speech.test:443", "api.speech.test", 443, True),
    ("api.speech.test:8443", "api.speech.test", 443, False),
    ("10.0.0.1", "10.0.0.1", 443, True),
    ("0.0.1", "10.0.0.1", 443, False),
    ("10.0.0.0/8", "10.1.2.3", 443, True),
    ("10.0.0.0/8", "11.1.2.3", 443, False),
    ("10.0.0.0/8", "api.speech.test", 443, False),
    ("10.0.0.0/99", "10.1.2.3", 443, False),
    ("::1", "::1", 443, True),
    ("[::1]:443", "::1", 443, True),
    ("[::1]:80", "::1", 443, False),
    ("fd00::/8", "fd00::5", 443, True),
]


@pytest.mark.parametrize(("rules", "host", "port", "direct"), RULES)
def test_python_preload_honors_no_proxy(
    rules: str, host: str, port: int, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPROXY_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", rules)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.syspath_prepend(str(FOLDER / "python"))
    route = importlib.import_module("wsproxy_preload.route")
    assert route.goes_through(host, port, websocket=True) is not direct


def test_node_preload_honors_no_proxy() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    program = (
        f"const {{ isExcluded }} = require({json.dumps(str(FOLDER / 'node' / 'no_proxy.cjs'))});"
        f"const rules = {json.dumps(RULES)};"
        "console.log(JSON.stringify(rules.map(([rule, host, port]) => {"
        "process.env.NO_PROXY = rule; return isExcluded(host, port) })))"
    )
    done = subprocess.run(
        [node, "-e", program], capture_output=True, text=True, check=True, env={"PATH": "/"}
    )
    assert json.loads(done.stdout) == [direct for _, _, _, direct in RULES]
