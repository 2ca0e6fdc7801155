"""Runs groups of the table, and judges each of their clients."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import certifi

from client_table import ECHO, OTHER, Client, Group
from machine import entering
from wsproxy.audio.synthetic_speech import speech

_RUN_GROUP = Path(__file__).with_name("run_group.py")
# What differs between two runs of an SDK: numbers that the API draws, and what a recognizer makes
# of the audio that arrives within a time. That there is any, or none, is compared.
_DRAWN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DRAWN = {"id", "hypotheses", "spoken", "events", "transcript", "answer", "answers"}
_DRAWN |= {"messages", "audio"}


@dataclass(frozen=True)
class Outcome:
    """What a program did in one of the ways of running it.

    Attributes:
        report: what wsproxy said.
        sessions: of the upstream's log: `place`, `frames`, `recorded` and `complete` in a trace.
        traced: the places of the traces.
    """

    status: int
    stdout: str
    stderr: str
    report: str
    sessions: list[dict[str, Any]]
    traced: list[str]
    cpu_seconds: float

    def sessions_of(self, client: Client) -> list[dict[str, Any]]:
        return [each for each in self.sessions if fnmatchcase(each["place"], client.place)]

    def printed(self, client: Client) -> Any:
        """What a program printed of a client; all of it, if it prints no line for each."""
        for line in self.stdout.splitlines():
            if client.name in _names(line):
                return _comparable(json.loads(line))
        return self.stdout

    def printed_besides(self, clients: Sequence[Client]) -> list[str]:
        """The lines that are of none of these, sorted: threads print them."""
        names = {each.name for each in clients}
        lines = [line for line in self.stdout.splitlines() if not names & _names(line)]
        return sorted(_DRAWN_ID.sub("ID", line) for line in lines if line)

    @property
    def errors(self) -> list[str]:
        """What the program wrote to its standard error; a JVM says that it has options."""
        lines = self.stderr.splitlines()
        return [line for line in lines if not line.startswith("Picked up JAVA_TOOL_OPT")]


def _names(line: str) -> set[str]:
    """The client that a line is of, if it is of one."""
    seen = json.loads(line) if line.startswith("{") else {}
    return {seen[key] for key in ("client", "name", "sdk") if key in seen}


def _comparable(seen: Mapping[str, Any]) -> dict[str, Any]:
    drawn = {name: bool(value) for name, value in seen.items() if name in _DRAWN}
    return {**seen, **drawn}


def make_audio(folder: Path) -> dict[str, str]:
    """Speech and a pause, for the SDKs: the files for `{audio}` and `{pcm}`."""
    audio, pcm = folder / "speech.wav", folder / "speech.pcm"
    pcm.write_bytes(speech(2.5) + bytes(32_000))
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm.read_bytes())
    return {"{audio}": str(audio), "{pcm}": str(pcm)}


def run_group(group: Group, folder: Path, extra_modes: Sequence[str] = ()) -> dict[str, Outcome]:
    """Run a group direct, under `wsproxy run`, and with `--catch off`.

    Args:
        folder: a new one.
        extra_modes: "variables" is without the preloads.

    Raises:
        RuntimeError: the program that runs it failed.
    """
    program = group.program()
    modes = ["direct", *(["first"] if group.warmed_up else []), "run", "off", *extra_modes]
    audio = make_audio(folder)
    specification = {
        "argv": [audio.get(each, each) for each in program.argv],
        "env": program.env,
        "hosts": [*group.hosts],
        "echo": [ECHO],
        "files": [OTHER],
        "bundles": [certifi.where(), *program.bundles],
        "modes": modes,
    }
    given, result = folder / "group.json", folder / "result.json"
    given.write_text(json.dumps(specification))
    done = subprocess.run(
        [*entering(), sys.executable, str(_RUN_GROUP), str(given), str(result)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return {mode: Outcome(**each) for mode, each in json.loads(result.read_text()).items()}


def is_named(outcome: Outcome, client: Client) -> bool:
    """Whether wsproxy named the host of a session that it did not record."""
    host = re.escape(client.place.partition("/")[0])
    return (
        re.search(rf"(passed through|went past|not decrypted).*{host}", outcome.report) is not None
    )
