"""What goes into a bug report, in one file: scrubbed traces, what they show, versions.

A zip file with the same content is the same file: times are fixed, names are sorted.
"""

from __future__ import annotations

import io
import os
import platform
import re
import secrets
import ssl
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wsproxy import __version__
from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import diagnose, summary
from wsproxy.errors import NotPublic, UsageError
from wsproxy.mutate import Draft
from wsproxy.recording import trace_path
from wsproxy.redact import suspects
from wsproxy.report import markdown
from wsproxy.report.explanation import explain
from wsproxy.report.jsontext import dumps
from wsproxy.scrub import is_scrubbed, scrub
from wsproxy.session import Session
from wsproxy.trace import Start

SUFFIX = ".zip"
MAX_TRACES = 1000
_WHEN = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file knows
_PACKAGES = ("mitmproxy", "websockets", "msgpack", "zstandard", "wsproto", "h11", "cryptography")
_VARIABLES = (
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY WS_PROXY WSS_PROXY http_proxy https_proxy "
    "all_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE "
    "WEBSOCKET_CLIENT_CA_BUNDLE NODE_EXTRA_CA_CERTS NODE_USE_ENV_PROXY "
    "NODE_TLS_REJECT_UNAUTHORIZED NODE_OPTIONS WSPROXY_CATALOG"
)
_VERSION = re.compile(r"\d[\w.+-]{0,40}")


@dataclass(frozen=True, slots=True)
class Bundled:
    """A trace in a bundle.

    Attributes:
        name: of the trace and its explanation in it, without a suffix.
        recorded: the versions that recorded it, as it says.
    """

    name: str
    data: bytes
    explanation: str
    summary: str
    agent: str
    recorded: Mapping[str, str]


def bundle(
    traces: Sequence[Path],
    out: Path,
    *,
    note: str = "",
    hosts: bool = False,
    force: bool = False,
    catalog: Catalog | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Bundled]:
    """Pack traces for a bug report. Those that are not scrubbed are, in the bundle only.

    Args:
        out: the zip file, mode 0600.
        note: the user's own words, for its README.
        hosts: replace the names of hosts too, in traces that are scrubbed here.
        force: replace `out`.
        environment: whose variables are named; None: the process's own.

    Raises:
        TraceError: a trace cannot be read.
        NotPublic: something of people would be in it; nothing is written.
        UsageError: it cannot be written.
    """
    if not 0 < len(traces) <= MAX_TRACES:
        raise UsageError(f"give from 1 to {MAX_TRACES} traces")
    if out.exists() and not force:
        raise UsageError(f"{out} is there already; --force replaces it")
    if suspects(note):
        raise NotPublic(["the note: there is something in it that looks like a credential"])
    known = catalog or load()
    with TemporaryDirectory(prefix="wsproxy-bundle-") as folder:
        key = secrets.token_bytes(16)
        items = [_bundled(path, Path(folder), key, known, hosts=hosts) for path in traces]
    facts = _facts(items, os.environ if environment is None else environment)
    files = {
        "README.md": _readme(items, note).encode(),
        "environment.json": (dumps(facts, indent=2) + "\n").encode(),
    }
    for item in items:
        files[f"traces/{item.name}.wstrace"] = item.data
        files[f"explanations/{item.name}.md"] = item.explanation.encode()
    _write(out, _zipped(files), force=force)
    return items


def _bundled(trace: Path, folder: Path, key: bytes, catalog: Catalog, *, hosts: bool) -> Bundled:
    """A trace as it goes in: itself, or what is made of it."""
    draft, path = Draft.read(trace, catalog), trace
    if not is_scrubbed(draft):
        place = folder / f"{secrets.token_hex(8)}.wstrace"
        path = scrub(trace, place, hosts=hosts, catalog=catalog, key=key).path
    session = Session.read(path)
    start = session.start
    assert start is not None  # it was read as a draft before
    name = trace_path(Path(), start).stem
    findings = diagnose(session, catalog)
    shown = explain(Path("traces", f"{name}.wstrace"), session, findings, catalog)
    return Bundled(
        name,
        path.read_bytes(),
        markdown.session(shown, everything=True),
        summary(session, catalog),
        session.request_header("user-agent") or "",
        _recorded(draft.start),
    )


def _recorded(start: Start) -> dict[str, str]:
    said = {"wsproxy": start.wsproxy, "mitmproxy": start.mitmproxy}
    return {name: text for name, text in said.items() if text and _VERSION.fullmatch(text)}


def _facts(items: Sequence[Bundled], environment: Mapping[str, str]) -> dict[str, Any]:
    """Versions, and names of variables; never their values."""
    return {
        "wsproxy": __version__,
        "packages": dict(_versions()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "proxy_variables_set": [name for name in _VARIABLES.split() if environment.get(name)],
        "user_agents": sorted({item.agent for item in items if item.agent}),
        "recorded_with": {item.name: dict(item.recorded) for item in items},
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _readme(items: Sequence[Bundled], note: str) -> str:
    lines = ["# Sessions with a speech API, for a bug report", ""]
    if note.strip():
        lines += [*markdown.fenced(note.strip().splitlines()), ""]
    lines += ["| trace | what happened |", "|---|---|"]
    for item in items:
        said = markdown.prose(item.summary).replace("|", "\\|")
        lines.append(f"| {markdown.code(item.name)} | {said} |")
    lines += ["", *_GUIDE.splitlines()]
    return "\n".join(lines) + "\n"


_GUIDE = """\
Words, voices, ids and credentials of people are not in here: texts are made up, audio is noise.
Times, sizes, frames, close codes and the words of errors are those of the sessions.

| | |
|---|---|
| `traces/NAME.wstrace` | a session, every frame of it |
| `explanations/NAME.md` | what went wrong in it, with evidence |
| `environment.json` | versions, and which proxy variables were set (no values) |

With wsproxy (`pip install wsproxy`), in this folder:

    wsproxy show traces/NAME.wstrace            # every frame
    wsproxy explain traces/NAME.wstrace         # what went wrong
    wsproxy replay server traces/NAME.wstrace   # fails for an app as the API did
    wsproxy replay client traces/NAME.wstrace --to ws://127.0.0.1:9000"""


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _WHEN)
            info.create_system = 3  # of the mode below, on every system
            info.external_attr = 0o600 << 16
            packs = not name.endswith(".wstrace")  # a trace is packed already
            info.compress_type = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
            packed.writestr(info, data)
    return out.getvalue()


def _write(out: Path, data: bytes, *, force: bool) -> None:
    """Write it under another name first."""
    unnamed = out.with_name(f".{out.name[:100]}.{secrets.token_hex(8)}")
    try:
        fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
        if out.exists() and not force:
            raise UsageError(f"{out} is there already; --force replaces it")
        unnamed.rename(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # it is not there, or its folder is none
            unnamed.unlink()
