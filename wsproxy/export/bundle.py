"""Packs a zip file for a bug report: scrubbed traces, explanations, versions.

Equal content gives an identical file: times are fixed, names are sorted.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import ssl
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from wsproxy import __version__
from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import summary
from wsproxy.errors import NotPublic, UsageError
from wsproxy.recorder import trace_path
from wsproxy.redact import suspects
from wsproxy.report import markdown
from wsproxy.report.examination import examined
from wsproxy.report.html.index_page import SessionIndex
from wsproxy.report.html.page import session_page, view_of
from wsproxy.report.html.reading import read_content
from wsproxy.report.json_output import dumps
from wsproxy.scrub import is_scrubbed, scrub
from wsproxy.session import Session
from wsproxy.trace import SUFFIX, find_recordings
from wsproxy.trace.atomic_file import check_free, new_file

ZIP = ".zip"
REPORT = "report.html"
MAX_TRACES = 1000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip file
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
        name: of the trace and its explanation in the bundle, without suffix.
        recorded: the versions that recorded it, according to the trace.
    """

    name: str
    summary: str
    agent: str
    recorded: Mapping[str, str]


def bundle(
    traces: Sequence[Path],
    out: Path,
    *,
    note: str = "",
    instructions: str = "",
    hosts: bool = False,
    force: bool = False,
    catalog: Catalog | None = None,
    environment: Mapping[str, str] | None = None,
    each: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> list[Bundled]:
    """Pack traces for a bug report. Traces that are not scrubbed are scrubbed in the bundle.

    Args:
        traces: traces, and folders with recordings.
        out: the zip file, mode 0600.
        note: the user's text for its README.
        instructions: how to use the traces, for its README (Markdown).
        hosts: also replace the names of hosts in traces that are scrubbed here.
        force: replace `out`.
        environment: variables whose names are reported if set; None: the process's environment.
        each: is called with all traces and yields them one by one, to show progress.

    Raises:
        TraceError: a trace cannot be read.
        NotPublic: it would contain private data; nothing is written.
        UsageError: it cannot be written.
    """
    found, _ = find_recordings(traces)
    if not 0 < len(found) <= MAX_TRACES:
        raise UsageError(f"give from 1 to {MAX_TRACES} traces")
    check_free(out, force=force)
    if suspects(note):
        raise NotPublic(["the note: it contains a possible credential"])
    catalog, key = catalog or load(), secrets.token_bytes(16)
    try:
        with TemporaryDirectory(prefix="wsproxy-bundle-") as folder:
            content, index = _Content(Path(folder)), SessionIndex()
            items = [
                _add_trace(path, content, index, key, catalog, hosts=hosts) for path in each(found)
            ]
            _add_report(content, index)
            environment_facts = _environment(
                items, os.environ if environment is None else environment
            )
            content.put("README.md", _readme(items, note, instructions))
            content.put("environment.json", dumps(environment_facts, indent=2) + "\n")
            with new_file(out, force=force) as new:
                content.zip(new.file)
    except OSError as error:  # of the temporary folder, which may be on another disk
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    return items


@dataclass(frozen=True, slots=True)
class _Content:
    """The files of the bundle, in a temporary folder because they may not fit in memory.

    Attributes:
        files: their paths, by name in the zip file.
    """

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    def put(self, name: str, text: str) -> None:
        path = self.folder / secrets.token_hex(8)
        path.write_bytes(text.encode())
        self.files[name] = path

    def zip(self, out: BinaryIO) -> None:
        with zipfile.ZipFile(out, "w") as packed:
            for name, path in sorted(self.files.items()):
                info = zipfile.ZipInfo(name, _ZIP_TIME)
                info.create_system = 3  # Unix, on every system: the mode below
                info.external_attr = 0o600 << 16
                compress = not name.endswith(SUFFIX)  # a trace is packed already
                info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
                info.file_size = path.stat().st_size  # decides whether ZIP64 is needed
                with path.open("rb") as source, packed.open(info, "w") as target:
                    shutil.copyfileobj(source, target)


def _add_trace(
    trace: Path,
    content: _Content,
    index: SessionIndex,
    key: bytes,
    catalog: Catalog,
    *,
    hosts: bool,
) -> Bundled:
    """Add a trace, scrubbed if it is not yet, its explanation and its page."""
    path = content.folder / f"{secrets.token_hex(8)}{SUFFIX}"
    if is_scrubbed(trace, catalog):
        shutil.copyfile(trace, path)
    else:
        scrub(trace, path, hosts=hosts, catalog=catalog, key=key)
    start = Session.summary(path).start
    assert start is not None  # it was read before
    name = trace_path(Path(), start).stem
    shown = Path("traces", f"{name}{SUFFIX}")
    # The audio is noise; its level is in the waveform.
    read = read_content(path, catalog, max_audio=0, name=shown)
    session, view = read.session, view_of(read)
    content.files[f"traces/{name}{SUFFIX}"] = path
    content.put(f"explanations/{name}.md", view.markdown)
    index.add(examined(shown, session, read.findings))
    index.pages[shown] = f"reports/{name}.html"
    content.put(index.pages[shown], "".join(session_page(view)))
    agent = session.request_header("user-agent") or ""
    return Bundled(name, summary(session, catalog), agent, _recorded(trace))


def _add_report(content: _Content, index: SessionIndex) -> None:
    """Add report.html: the page of the only session, or an index of all pages."""
    if len(index.pages) == 1:
        (page,) = index.pages.values()
        content.files[REPORT] = content.files.pop(page)
    else:
        content.put(REPORT, "".join(index.page()))


def _recorded(trace: Path) -> dict[str, str]:
    start = Session.summary(trace).start
    versions = {"wsproxy": start.wsproxy, "mitmproxy": start.mitmproxy} if start is not None else {}
    return {name: text for name, text in versions.items() if text and _VERSION.fullmatch(text)}


def _environment(items: Sequence[Bundled], environment: Mapping[str, str]) -> dict[str, Any]:
    """Versions, and the names of set variables without their values."""
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


def _readme(items: Sequence[Bundled], note: str, instructions: str) -> str:
    lines = ["# Sessions with a speech API, for a bug report", ""]
    if note.strip():
        lines += [*markdown.fenced(note.strip().splitlines()), ""]
    lines += ["| trace | what happened |", "|---|---|"]
    for item in items:
        outcome = markdown.prose(item.summary).replace("|", "\\|")
        lines.append(f"| {markdown.code(item.name)} | {outcome} |")
    lines += ["", *_GUIDE.splitlines(), *(["", instructions.rstrip()] if instructions else [])]
    return "\n".join(lines) + "\n"


_GUIDE = """\
Open `report.html` in a browser. It shows what happened, why, and what to do, with the frames, the
transcript and latencies. It needs no other program and no network.

The traces contain no words, voices, ids or credentials of people: texts are synthetic, audio is
noise. Times, sizes, frames, close codes and error texts are those of the original sessions.

| | |
|---|---|
| `traces/NAME.wstrace` | a session with all its frames |
| `report.html` | the session; of several sessions an overview, with links to `reports/NAME.html` |
| `explanations/NAME.md` | what failed, with evidence |
| `environment.json` | versions, and which proxy variables were set (no values) |"""
