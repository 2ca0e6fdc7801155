"""Firefox and WebKitGTK for tests of pages, driven without a library.

Firefox speaks WebDriver BiDi itself; WebKitGTK has a WebDriver. Tests that use them are skipped
where they are not installed; `.ci/run` installs them.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from websockets.sync.client import ClientConnection, connect

from wire_servers import unused_port

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WEBKIT = shutil.which("WebKitWebDriver")
XVFB = shutil.which("Xvfb")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver, 12.2
_PREFERENCES = {
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}


class Tab(Protocol):
    """A page in a browser."""

    def open(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""

    def click(self, selector: str) -> None:
        """Click an element, as a user does."""

    def until(self, expression: str, seconds: float = 30.0) -> None:
        """Wait until an expression is true."""


class _Waiting:
    def evaluate(self, expression: str) -> Any:
        raise NotImplementedError

    def _scroll_to(self, selector: str) -> None:
        """Scroll to an element, until it stays where it is."""
        place = json.dumps({"block": "center"})
        top = (
            f"((e) => (e.scrollIntoView({place}), e.getBoundingClientRect().top))"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        before = None
        while (now := self.evaluate(top)) != before:
            before = now
            time.sleep(0.05)

    def until(self, expression: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"still false: {expression}"
            time.sleep(0.05)


def _mouse_click(origin: object) -> dict[str, Any]:
    """A click in the middle of an element."""
    steps = [
        {"type": "pointerMove", "x": 0, "y": 0, "duration": 0, "origin": origin},
        {"type": "pointerDown", "button": 0},
        {"type": "pointerUp", "button": 0},
    ]
    return {"type": "pointer", "id": "mouse", "actions": steps}


# -- Firefox


class FirefoxTab(_Waiting):
    """A tab of Firefox, by WebDriver BiDi."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._send("session.new", capabilities={})
        self._context = self._send("browsingContext.create", type="tab")["context"]

    def _send(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, url: str) -> None:
        self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def _result(self, expression: str) -> Any:
        target = {"context": self._context}
        answer = self._send(
            "script.evaluate", expression=expression, target=target, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        text = self._result(f"JSON.stringify({expression})").get("value")
        return None if text is None else json.loads(text)

    def click(self, selector: str) -> None:
        self._scroll_to(selector)
        found = self._result(f"document.querySelector({json.dumps(selector)})")
        origin = {"type": "element", "element": {"sharedId": found["sharedId"]}}
        self._send("input.performActions", context=self._context, actions=[_mouse_click(origin)])


@contextmanager
def firefox(folder: Path) -> Iterator[Tab]:
    """Firefox without a window, and without a network."""
    assert FIREFOX is not None
    profile = folder / "profile"
    profile.mkdir()
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});"
        for name, value in _PREFERENCES.items()
    ]
    (profile / "user.js").write_text("\n".join(lines))
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    with _running([*command, "--remote-debugging-port", "0", "about:blank"], folder) as log:
        found = _said(log, r"WebDriver BiDi listening on (ws://\S+)")
        with connect(f"{found}/session", max_size=None, proxy=None) as connection:
            yield FirefoxTab(connection)


# -- WebKitGTK

_NOTE_A_CLICK = """(() => {
  window.clicked = false;
  addEventListener("click", () => { window.clicked = true; }, { capture: true, once: true });
  return true;
})()"""
_MOST_CLICKS = 5


class WebKitTab(_Waiting):
    """A tab of WebKitGTK's MiniBrowser, by WebDriver."""

    def __init__(self, url: str) -> None:
        self._url = url
        options = {"webkitgtk:browserOptions": {"args": ["--automation"]}}
        session = self._send("POST", "", capabilities={"alwaysMatch": options})
        self._url = f"{url}/{session['sessionId']}"

    def _send(self, method: str, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self._url + path, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def open(self, url: str) -> None:
        self._send("POST", "/url", url=url)

    def evaluate(self, expression: str) -> Any:
        return self._send("POST", "/execute/sync", script=f"return {expression}", args=[])

    def click(self, selector: str) -> None:
        """Click, again if WebKitGTK lost it: on a busy machine it loses some."""
        self._scroll_to(selector)
        found = self._send("POST", "/element", using="css selector", value=selector)
        self.evaluate(_NOTE_A_CLICK)
        for _ in range(_MOST_CLICKS):
            self._send("POST", "/actions", actions=[_mouse_click(found)])
            with suppress(AssertionError):
                self.until("window.clicked", seconds=2.0)
                return
        raise AssertionError(f"no click on {selector} arrived")

    def close(self) -> None:
        self._send("DELETE", "")


@contextmanager
def webkit(folder: Path) -> Iterator[Tab]:
    """WebKitGTK on a screen in memory."""
    assert WEBKIT is not None
    assert XVFB is not None
    with ExitStack() as stack:
        read, write = os.pipe()
        screen = [XVFB, "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
        stack.enter_context(_running(screen, folder / "xvfb", pass_fds=(write,)))
        os.close(write)
        with os.fdopen(read) as said:
            display = f":{said.readline().strip()}"
        port = unused_port()
        environment = {
            **os.environ,
            "DISPLAY": display,
            "GDK_BACKEND": "x11",
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # containers forbid it
            "HOME": str(folder),
        }
        log = stack.enter_context(
            _running([WEBKIT, "-p", str(port)], folder / "driver", env=environment)
        )
        tab = _started(lambda: WebKitTab(f"http://127.0.0.1:{port}/session"), log)
        stack.callback(tab.close)
        yield tab


def _started(start: Callable[[], WebKitTab], log: Path) -> WebKitTab:
    end = time.monotonic() + 60
    while True:
        try:
            return start()
        except urllib.error.URLError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)


# -- processes


@contextmanager
def _running(command: list[str], folder: Path, **options: Any) -> Iterator[Path]:
    """A process, and what it prints."""
    folder.mkdir(exist_ok=True)
    log = folder / "output.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options
        )
        try:
            yield log
        finally:
            process.terminate()
            process.wait(30)


def _said(log: Path, pattern: str) -> str:
    end = time.monotonic() + 60
    while not (found := re.search(pattern, log.read_text(errors="replace"))):
        assert time.monotonic() < end, log.read_text(errors="replace")
        time.sleep(0.05)
    return found[1]


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Tab]]] = {
    "firefox": firefox,
    "webkit": webkit,
}
missing = {
    "firefox": FIREFOX is None,
    "webkit": WEBKIT is None or XVFB is None,
}


def engines() -> list[Any]:
    """Parameters of a test: each engine, skipped where it is not installed."""
    return [
        pytest.param(
            name, marks=pytest.mark.skipif(missing[name], reason=f"{name} is not installed")
        )
        for name in ENGINES
    ]
