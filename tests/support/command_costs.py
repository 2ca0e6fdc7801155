"""What commands cost: processor time and memory of each, in a process of its own.

    python -m command_costs SECONDS BYTES < commands.json > results.json

Everything is imported once; each command runs in a fork of that.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MODULES = (
    "cli",
    "list",
    "show",
    "explain",
    "diff",
    "recover",
    "mutate",
    "scrub",
    "bundle",
    "report",
    "follow",
    "play",
    "replay_client",
    "distill",
    "load",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """A command that has ended.

    Attributes:
        status: exit status; negative: the signal that ended it.
        cpu: seconds of processor time.
        rss: peak memory, bytes.
        out, err: the beginning of what it printed.
    """

    command: tuple[str, ...]
    status: int
    cpu: float
    rss: int
    out: str
    err: str


def measure(commands: Sequence[Sequence[str]], *, cpu: int = 60, memory: int = 0) -> list[Cost]:
    """Run commands, one after another.

    Args:
        cpu: seconds after which one is killed.
        memory: bytes of address space that each may have, with all modules; 0: unlimited.
    """
    done = subprocess.run(
        [sys.executable, "-m", "command_costs", str(cpu), str(memory)],
        input=json.dumps([list(map(str, command)) for command in commands]),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    return [Cost(tuple(each.pop("command")), **each) for each in json.loads(done.stdout)]


def _measured(command: list[str], cpu: int, memory: int) -> dict[str, object]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _run(command, out.fileno(), err.fileno(), cpu, memory)
        _, status, used = os.wait4(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(20_000).decode("utf-8", "replace"))
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "command": command,
        "status": os.waitstatus_to_exitcode(status),
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "rss": used.ru_maxrss * unit,
        "out": texts[0],
        "err": texts[1],
    }


def _run(command: list[str], out: int, err: int, cpu: int, memory: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.argv = ["wsproxy", *command]
    status = 1
    try:
        from wsproxy.cli.main import main

        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _main() -> None:
    import importlib

    for name in _MODULES[1:]:
        importlib.import_module(f"wsproxy.cli.{name}")
    commands = json.load(sys.stdin)
    cpu, memory = map(int, sys.argv[1:])
    json.dump([_measured(command, cpu, memory) for command in commands], sys.stdout)


if __name__ == "__main__":
    _main()
