"""The examples in README.md and docs/: their commands run, and what they print is compared.

An example is a fenced block of `console`. A line that begins with `$ ` is a command, those below
it are what it prints, up to the next command:

    $ wsproxy list recordings/samples/wire
    2026-11-21 08:06:05  ...

`...` stands for any text in a line, and alone on a line for any number of lines. A command with
nothing below it may print anything and must exit with status 0. A command that ends with ` &`
keeps running until the document's end; the port after its `--listen` is replaced by a free one,
here and in all that follows.

    <!-- not run: REASON -->         before a block: it is only to be read
    <!-- file: NAME -->              before a block of any language: it is written to that file

The examples of one document run in their order, in one empty folder that has the sample traces
where a checkout has them, and one of them as call.wstrace.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from commands import wsproxy

ROOT = Path(__file__).parents[2]
CALL = ROOT / "recordings" / "samples" / "deepgram" / "deepgram.listen.NET-0001.wstrace"

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|file): (?P<text>[^\n]*?) -->\n)?"
    r"^```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SHELL = re.compile(r"[|><;*$~]| -- |^(?!wsproxy )")  # more than one command of ours
_LISTENS = re.compile(r"(?<=--listen )127\.0\.0\.1:\d+")
_SECONDS = 30.0  # that a command may take
# An example without its mark must not install anything, nor fuzz for an hour.
_PROGRAMS = {"cat", "echo", "ls", "mv", "pytest", "python", "wsproxy"}


@dataclass
class Command:
    """A command and what it is said to print.

    Attributes:
        line: of the document.
    """

    line: int
    text: str
    output: str


@dataclass
class Block:
    """A fenced block of a document.

    Attributes:
        line: of the document, where its text begins.
        not_run: why it is only to be read.
        file: name of the file that it is written to.
    """

    line: int
    language: str
    body: str
    not_run: str | None = None
    file: str | None = None

    def commands(self) -> Iterator[Command]:
        """The commands of a console block; what stands before the first is none."""
        command: Command | None = None
        for number, line in enumerate(self.body.splitlines(keepends=True), self.line):
            if command is not None and command.text.endswith("\\\n"):
                command.text += line
            elif line.startswith("$ "):
                if command is not None:
                    yield command
                command = Command(number, line[2:], "")
            elif command is not None:
                command.output += line
        if command is not None:
            yield command


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("body")) + 1
        block = Block(line, match["language"], match["body"])
        if match["mark"] == "not run":
            block.not_run = match["text"]
        elif match["mark"] == "file":
            block.file = match["text"]
        found.append(block)
    return found


def documents() -> list[Path]:
    """README.md, CONTRIBUTING.md and what else is beside them, and the documents in docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def failures(document: Path, folder: Path) -> list[str]:
    """Run the examples of a document; those that did something else, with what they printed.

    Args:
        folder: where they run; it is made.
    """
    found = []
    with Examples(folder) as examples:
        for block in blocks(document.read_text(encoding="utf-8")):
            if block.file is not None:
                examples.write(block)
            elif block.language == "console" and block.not_run is None:
                found += examples.failures(block, document.name)
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether a command printed what the document says."""
    lines = []
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            lines.append(r"(?:[^\n]*\n)*?")
        else:
            parts = map(re.escape, line.rstrip().split("..."))
            lines.append(r"[^\n]*?".join(parts) + r"\n")
    return re.fullmatch("".join(lines), _trimmed(printed)) is not None


def _trimmed(text: str) -> str:
    """Without blanks at the ends of lines, nor empty lines at the end."""
    lines = [line.rstrip() for line in text.rstrip().splitlines()]
    return "".join(line + "\n" for line in lines)


@dataclass
class Run:
    """What a command printed, and its exit status."""

    printed: str
    status: int


def is_as_documented(command: Command, run: Run) -> bool:
    """Whether a command did what the document says."""
    if not command.output.strip():
        return run.status == 0
    return matches(command.output, run.printed)


@dataclass
class Examples:
    """Runs the examples of one document, in a folder."""

    folder: Path
    _servers: list[subprocess.Popen[str]] = field(default_factory=list)
    _addresses: dict[str, str] = field(default_factory=dict)  # as documented: as it is
    _status: int = 0

    def __enter__(self) -> Examples:
        (self.folder / "recordings").mkdir(parents=True)
        (self.folder / "recordings" / "samples").symlink_to(ROOT / "recordings" / "samples")
        shutil.copy(CALL, self.folder / "call.wstrace")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.terminate()
            server.communicate(timeout=_SECONDS)

    def write(self, block: Block) -> None:
        """Write a block that is a file."""
        assert block.file is not None
        (self.folder / block.file).write_text(self._as_is(block.body), encoding="utf-8")

    def failures(self, block: Block, document: str) -> list[str]:
        """Run the commands of a block; those that did something else."""
        commands = list(block.commands())
        if not commands:
            return [f"{document}:{block.line}: no command\n"]
        found = []
        for command in commands:
            run = self.run(command)
            if not is_as_documented(command, run):
                where = f"{document}:{command.line}: {command.text.strip()}"
                found.append(f"{where}\n{run.printed}exit status {run.status}")
        return found

    def run(self, command: Command) -> Run:
        """Run one command."""
        text = command.text.strip()
        if text.partition(" ")[0] not in _PROGRAMS:
            return Run("not one of the programs that examples run; is it marked?\n", -1)
        if text == "echo $?":
            return Run(f"{self._status}\n", 0)
        if text.endswith(" &"):
            return self._start(text.removesuffix(" &"))
        text = self._as_is(text)
        words = shlex.split(text.replace("\\\n", " "), comments=True)
        if _SHELL.search(text.partition(" # ")[0]):
            run = self._in_shell(text)
        else:
            done = wsproxy(*words[1:], cwd=self.folder, merged=True, **_settings(self.folder))
            run = Run(done.stdout, done.returncode)
        self._status = run.status
        return Run(self._as_documented(run.printed), run.status)

    def _in_shell(self, text: str) -> Run:
        try:
            done = subprocess.run(
                ["bash", "-c", text],
                cwd=self.folder,
                env=_environment(self.folder),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Run(f"not done after {_SECONDS:.0f} s\n", -1)
        return Run(done.stdout, done.returncode)

    def _start(self, text: str) -> Run:
        """Start a server, and wait until it listens."""
        documented = _LISTENS.search(text)
        words = shlex.split(_LISTENS.sub("127.0.0.1:0", text))
        assert words[0] == "wsproxy"
        server = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=_environment(self.folder),
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers.append(server)
        assert server.stdout is not None
        line = server.stdout.readline()
        if documented is not None and "://" in line:
            self._addresses[documented[0]] = line.strip().rpartition("://")[2]
        return Run(self._as_documented(line), 0)

    def _as_is(self, text: str) -> str:
        for documented, address in self._addresses.items():
            text = text.replace(documented, address)
        return text

    def _as_documented(self, text: str) -> str:
        for documented, address in self._addresses.items():
            text = text.replace(address, documented)
        return text


def _settings(folder: Path) -> dict[str, str]:
    """None of the settings of the user who runs this."""
    return {"COLUMNS": "80", "NO_COLOR": "1", "XDG_CONFIG_HOME": str(folder / "config")}


def _environment(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **_settings(folder), "PATH": path, "HOME": str(folder / "home")} | {
        # Not the folder of all runs: pytest warns of what is left in it.
        "PYTEST_DEBUG_TEMPROOT": str(folder)
    }
