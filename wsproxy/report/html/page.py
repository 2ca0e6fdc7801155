"""The page of a session: one HTML file that needs nothing else.

It reads without scripts and without styles. Text from a trace passes through `safe_text.safe`
and through Jinja's escaping; data for the scripts through `json_block`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from wsproxy import __version__
from wsproxy.report import markdown
from wsproxy.report.explanation import Explanation, explain
from wsproxy.report.safe_text import short
from wsproxy.report.text import lasting, size, when

from .embedded_audio import embedded_audio
from .json_block import json_block
from .page_data import page_data
from .reading import SessionContent
from .static_frames import FrameRow, static_rows
from .track_data import element_id

_ENCODED = 3 << 16  # bytes of a file that are encoded together
# In their order. `vendor/` has libraries from npm, see its README.
_STYLES = ("vendor/uplot/uPlot.min.css", "report.css", "interactive.css")
LIBRARIES = (
    "vendor/wavesurfer/wavesurfer.min.js",
    "vendor/wavesurfer/regions.min.js",
    "vendor/uplot/uPlot.iife.min.js",
)
# One module in parts: a page without other files has nothing to import.
_PARTS = ("session", "page", "axis", "players", "transcript", "latency", "frames", "pair", "view")
_MODULE = (*_PARTS, "main")
_LABELS = {
    "upgrade": "upgrade answered",
    "first_interim": "first interim result, after the first audio",
    "first_final": "first final result, after the first audio",
    "lag": "lag of the transcript behind the audio",
    "lag_min": "lag of the transcript, smallest",
    "lag_max": "lag of the transcript, largest",
    "largest_lag": "lag of the transcript, largest",
    "finalization": "last final result, after the last speech",
    "utterances": "first audio, after a text to speak",
    "utterance": "first audio, after a text to speak (median)",
    "turns": "first audio of the agent, after the user's speech",
    "turn": "first audio of the agent, after the user's speech (median)",
}


@dataclass(frozen=True, slots=True)
class PageKind:
    """What a page is made of, besides its content.

    Attributes:
        module: the parts of its script, in their order.
        styles: files of `static/`, in their order.
        connects: whether its script may talk to the server that it comes from.
    """

    module: tuple[str, ...] = _MODULE
    styles: tuple[str, ...] = _STYLES
    connects: bool = False


FILE = PageKind()
INDEX = PageKind(("page", "index"))
# Pages of the server of `wsproxy view`.
_LIVE_STYLES = (*_STYLES, "live.css")
_LIVE = (*_PARTS, "live_frames", "live_transcript", "main", "actions", "live")
LIVE = PageKind(_LIVE, _LIVE_STYLES, connects=True)
START = PageKind(("page", "start"), _LIVE_STYLES, connects=True)
_STATES = {"failed": "Failed", "good": "Succeeded", "unproven": "Unproven", "open": "Open"}
_OPCODES = {"0": "continuation", "1": "text", "2": "binary", "8": "close", "9": "ping", "a": "pong"}


def session_page(view: SessionView) -> Iterator[str]:
    """The page of a session, in parts."""
    return render("session.html.j2", [view])


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as a template shows it.

    Attributes:
        prefix: of the ids of its elements: "" for the first session of a page.
        data: see `page_data`.
        rows: the frames that are listed without scripts.
        markdown: its explanation, for a bug report.
        audio: files, by the ids of their elements.
    """

    prefix: str
    data: dict[str, Any]
    explained: Explanation
    rows: Sequence[FrameRow]
    markdown: str
    audio: Mapping[str, bytes]

    @property
    def listed(self) -> Container[int]:
        """The numbers of the frames that a link can show: those in `rows`."""
        return frozenset(row.number for row in self.rows)

    def time_of(self, frame: int | None) -> float | None:
        """When a frame came, in seconds; None if it is none of the listed ones."""
        frames, at = self.data["frames"], 0
        for first, last in frames["ranges"]:
            if frame is not None and first <= frame <= last:
                found: float = frames["t"][at + frame - first]
                return found
            at += last - first + 1
        return None


def view_of(content: SessionContent, prefix: str = "") -> SessionView:
    """A session as a template shows it.

    Args:
        prefix: as of a `SessionView`.
    """
    audio = embedded_audio([recorder for _, recorder in content.tracks], content.max_audio)
    explained = explain(content.name, content.session, content.findings, content.catalog)
    return SessionView(
        prefix,
        page_data(content, explained, audio, prefix),
        explained,
        list(static_rows(content)),
        markdown.session(explained, everything=True),
        {element_id(prefix, n): each.data for n, each in enumerate(audio) if each is not None},
    )


def render(
    template: str, views: Sequence[SessionView], kind: PageKind = FILE, **more: Any
) -> Iterator[str]:
    """A page, in parts.

    Args:
        template: its name.
        views: the sessions that it shows.
        kind: what it is made of.
        more: what else the template shows; of what has a name that begins with `data_`, there is
            a block for the scripts as well.
    """
    blocks = [
        (f"{view.prefix}data-{name}", Markup(json_block(part)))
        for view in views
        for name, part in view.data.items()
    ]
    blocks += [
        (name.replace("_", "-"), Markup(json_block(part)))
        for name, part in more.items()
        if name.startswith("data_")
    ]
    nonce = _nonce(block for _, block in blocks)
    return (
        _environment()
        .get_template(template)
        .generate(
            policy=content_security_policy(nonce, kind),
            nonce=nonce,
            styles=[Markup(_static(name)) for name in kind.styles],
            libraries=[Markup(_static(name)) for name in LIBRARIES],
            module=Markup(_module(kind.module)),
            sessions=views,
            blocks=blocks,
            audio=[
                (element, _base64(data)) for view in views for element, data in view.audio.items()
            ],
            version=__version__,
            **more,
        )
    )


def _base64(data: bytes) -> Iterator[Markup]:
    """A file in base64, in parts: it may be large."""
    for at in range(0, len(data), _ENCODED):
        yield Markup(base64.b64encode(data[at : at + _ENCODED]).decode())


def _nonce(blocks: Iterable[str]) -> str:
    """The nonce of a page: the same for the same page, so that bundles can be compared.

    A hash of the data will do: text of a trace that named the page's nonce would have to contain
    a hash of itself.
    """
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block.encode())
    return base64.urlsafe_b64encode(digest.digest()[:18]).decode()


def rendered(template: str, view: SessionView, **more: Any) -> str:
    """A part of a page.

    Args:
        template: its name.
        view: the session that it shows.
        more: what else the template shows.
    """
    return _environment().get_template(template).render(shown=view, sessions=[view], **more)


def content_security_policy(nonce: str, kind: PageKind = FILE) -> str:
    """What the page may load: only what is in it.

    Args:
        nonce: of its styles. The waveform's library adds one of its own.
    """
    texts = (*map(_static, LIBRARIES), _module(kind.module))
    scripts = " ".join(_hash(text) for text in texts)
    connections = "connect-src 'self'; " if kind.connects else ""
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'nonce-{nonce}'; img-src data:; "
        f"{connections}media-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def _static(name: str) -> str:
    """A file of `static/`."""
    text = files(__package__).joinpath("static", name).read_text(encoding="utf-8")
    ending = "</script" if name.endswith(".js") else "</style"
    assert ending not in text.lower(), name
    return text


@cache
def _module(parts: tuple[str, ...]) -> str:
    """A page's own script."""
    return "".join(_static(f"app/{part}.js") for part in parts)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def template(name: str) -> Template:
    """A template of the package, with the filters of pages."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "time": _time,
        "moment": lambda seconds: "?" if seconds is None else when(round(seconds * 1e9)),
        "size": size,
        "lasting": lasting,
        "short": short,
        "label": _label,
        "state": lambda state: _STATES.get(state, state),
        "side": lambda side: "app →" if side == "c" else "← server",
        "opcode": lambda digit: _OPCODES.get(digit, digit),
    }
    return environment


def _label(name: str) -> str:
    """A name of the data, for people."""
    bare = name.removesuffix("_s")
    return _LABELS.get(bare, bare.replace("_", " "))


def _time(seconds: float | None) -> str:
    """Seconds, as `wsproxy show` prints them."""
    return "?" if seconds is None else f"{seconds + 0.0:.3f}"  # never "-0.000"
