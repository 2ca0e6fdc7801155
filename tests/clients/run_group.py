"""Runs the programs of a group of clients in each way; started in namespaces of its own.

run_group.py SPECIFICATION RESULT, both JSON: see `main`.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / "clients"), str(_TESTS / "support"), str(_TESTS)]

import own_settings  # noqa: E402, F401
from echo_servers import echo_servers  # noqa: E402
from ended_program import Hung, run_to_end  # noqa: E402
from frame_log import TracedSession, UpstreamSession, read_trace  # noqa: E402
from machine import ADDRESS, make_network, name_hosts, trust  # noqa: E402
from tls_authority import make_authority  # noqa: E402
from upstream import Upstream  # noqa: E402
from wsproxy.intercept import ca_bundle  # noqa: E402
from wsproxy.intercept.chromium_flags import key_hash  # noqa: E402
from wsproxy.simulate import serve_in_thread  # noqa: E402
from wsproxy.trace import TraceReader, find_traces  # noqa: E402

_PATIENCE = 150  # seconds for a program
# What makes `wsproxy run` record without the proxy variables, for apps that read no such variable.
_PRELOADS = ("PYTHONPATH", "NODE_OPTIONS", "BUN_OPTIONS", "JAVA_TOOL_OPTIONS")


class Group:
    """Programs and the hosts that they talk to.

    Args:
        specification: as the test wrote it.
    """

    def __init__(self, specification: dict[str, Any], folder: Path, upstream: Upstream, ca: Path):
        self._folder, self._upstream, self._ca = folder, upstream, ca
        self._argv: list[str] = [self._filled(each) for each in specification["argv"]]
        own = {name: self._filled(value) for name, value in specification["env"].items()}
        usual = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        self._env = usual | own

    def _filled(self, text: str) -> str:
        filled = text.replace("{ca}", str(self._ca)).replace("{folder}", str(self._folder))
        certificate = next(iter(ca_bundle.read(self._ca.with_name("server.pem"))))
        return filled.replace("{server_key}", key_hash(certificate))

    def run(self, mode: str, number: int) -> dict[str, Any]:
        """Run the program in one way, and compare what was recorded."""
        errors, out = self._folder / f"errors-{number}", self._folder / f"out-{number}"
        argv = ["sh", "-c", f'exec "$@" 2>{errors}', "sh", *self._argv]
        if mode != "direct":
            argv = [*self._wsproxy(mode, out), "--", *argv]
        before = _cpu_seconds()
        status, output, report = _finished(argv, self._env, errors)
        seconds = _cpu_seconds() - before
        traced = list(_traced(out))
        return {
            "status": status,
            "stdout": output,
            "stderr": errors.read_text(),
            "report": report,
            "sessions": [_judged(each, traced) for each in self._upstream.take()],
            "traced": sorted(each.place for each in traced),
            "cpu_seconds": round(seconds, 1),
        }

    def _wsproxy(self, mode: str, out: Path) -> list[str]:
        command = [sys.executable, "-m", "wsproxy", "run", "--out", str(out)]
        command += ["--confdir", str(self._folder / "confdir")]
        if mode == "variables":
            unset = [part for name in _PRELOADS for part in ("-u", name)]
            return [*command, "--catch", "off", "--", "env", *unset, *_kept(self._env)]
        return [*command, "--catch", "off"] if mode == "off" else command


def _finished(argv: list[str], env: dict[str, str], errors: Path) -> tuple[int, str, str]:
    """The status, standard output and standard error of a program.

    Raises:
        Hung: it did not end; the message has the program's errors as well.
    """
    try:
        return run_to_end(argv, env, _PATIENCE)
    except Hung as error:
        raise Hung(f"{error}\n{errors.read_text()}") from None


def _kept(env: dict[str, str]) -> list[str]:
    """The variables of preloads that are the program's own."""
    return [f"{name}={env[name]}" for name in _PRELOADS if name in env]


def _judged(session: UpstreamSession, traced: list[TracedSession]) -> dict[str, Any]:
    there = [each for each in traced if each.place == session.place]
    complete = [each for each in there if each.is_complete(session)]
    frames = sum(map(len, session.frames()))
    return {
        "place": session.place,
        "frames": frames,
        "recorded": bool(there),
        "complete": bool(complete),
    }


def _traced(out: Path) -> Iterator[TracedSession]:
    for path in find_traces([out]) if out.is_dir() else ():
        with TraceReader(path) as records:
            if (session := read_trace(records)) is not None:
                yield session


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _file_server(folder: Path) -> Iterator[int]:
    """A web server with a file and a Git repository with one branch; yields its port."""
    references = folder / "project.git" / "info" / "refs"
    references.parent.mkdir(parents=True)
    references.write_text(f"{'0123456789' * 4}\trefs/heads/main\n")
    (folder / "project.git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "file").write_text("a file\n")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Standard error is for errors."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def main() -> None:
    """Run what the specification says.

    It has `argv` and `env` of the program, `hosts`, `echo` and `files` (the hosts that echo, and
    that serve files; the others are simulated APIs), `bundles` of certificates that the programs
    read, and `modes`.
    """
    specification = json.loads(Path(sys.argv[1]).read_text())
    result = Path(sys.argv[2])
    folder = result.parent / f"{result.stem}-files"
    folder.mkdir()
    hosts: list[str] = specification["hosts"]
    ca, context = make_authority(folder, hosts)
    make_network()
    name_hosts(folder, hosts)
    trust(folder, ca, [Path(each) for each in specification["bundles"]])
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(echo_servers(context))
        simulated = stack.enter_context(serve_in_thread())
        ports = dict.fromkeys(specification["echo"], echo.plain_port)
        files = stack.enter_context(_file_server(folder / "files"))
        ports |= dict.fromkeys(specification["files"], files)
        upstream = Upstream(ADDRESS, context, lambda host: ports.get(host, simulated.port))
        stack.enter_context(upstream.serving())
        group = Group(specification, folder, upstream, ca)
        modes: list[str] = specification["modes"]
        outcomes = {mode: group.run(mode, number) for number, mode in enumerate(modes)}
    result.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main()
