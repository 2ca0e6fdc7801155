"""The page of a session: one HTML file that needs nothing else.

It reads without scripts and without styles. Text from a trace passes through `report.text.safe`
and through Jinja's escaping; data for the scripts through `json_block`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from wsproxy import __version__
from wsproxy.catalog import Catalog
from wsproxy.report import markdown
from wsproxy.report.explanation import Explanation, explain
from wsproxy.report.text import lasting, short, size

from .embedded_audio import EmbeddedAudio, embedded_audio
from .json_block import json_block
from .page_data import page_data
from .reading import SessionContent, read_content
from .static_frames import static_rows
from .track_data import element_id

# In their order.
STYLES = ("report.css",)
SCRIPTS = ("report.js",)
_OPCODES = {"0": "continuation", "1": "text", "2": "binary", "8": "close", "9": "ping", "a": "pong"}


def session_page(
    path: Path,
    catalog: Catalog,
    *,
    max_audio: int,
    step: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """The page of a trace, in parts.

    Args:
        max_audio: bytes that all audio may have in the page; 0: none is embedded.
        step: is called with what is being done.

    Raises:
        TraceError: the trace cannot be read.
    """
    content = read_content(path, catalog, max_audio=max_audio * 3 // 4, step=step)
    step(f"writing the page of {path.name}")
    audio = embedded_audio([recorder for _, recorder in content.tracks], content.max_audio)
    explained = explain(path, content.session, content.findings, catalog)
    return render(content, explained, audio)


def render(
    content: SessionContent, explained: Explanation, audio: Sequence[EmbeddedAudio | None]
) -> Iterator[str]:
    """The page, in parts.

    Args:
        audio: of each of the content's tracks.
    """
    data = page_data(content, explained, audio)
    template = _environment().get_template("session.html.j2")
    return template.generate(
        policy=content_security_policy(),
        styles=[Markup(_static(name)) for name in STYLES],
        scripts=[Markup(_static(name)) for name in SCRIPTS],
        data=data,
        blocks=[(f"data-{name}", Markup(json_block(part))) for name, part in data.items()],
        audio=[
            (element_id(number), Markup(base64.b64encode(each.data).decode()))
            for number, each in enumerate(audio)
            if each is not None
        ],
        explained=explained,
        rows=list(static_rows(content, explained.findings)),
        markdown=markdown.session(explained, everything=True),
        version=__version__,
    )


def content_security_policy() -> str:
    """What the page may load: only what is in it."""
    scripts = " ".join(_hash(_static(name)) for name in SCRIPTS)
    styles = " ".join(_hash(_static(name)) for name in STYLES)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; "
        "media-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def _static(name: str) -> str:
    """A file of `static/`."""
    text = files(__package__).joinpath("static", name).read_text(encoding="utf-8")
    assert "</script" not in text.lower(), name
    assert "</style" not in text.lower(), name
    return text


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


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
        "size": size,
        "lasting": lasting,
        "short": short,
        "label": lambda name: str(name).removesuffix("_s").replace("_", " "),
        "side": lambda side: "app →" if side == "c" else "← server",
        "opcode": lambda digit: _OPCODES.get(digit, digit),
    }
    return environment


def _time(seconds: float | None) -> str:
    """Seconds, as `wsproxy show` prints them."""
    return "?" if seconds is None else f"{seconds:.3f}"
