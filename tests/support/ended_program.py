"""Runs a program of others to its end, or shows where it hangs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


class Hung(Exception):
    """A program did not end; the message has what it printed and the stacks of its Pythons."""


def run_to_end(
    argv: Sequence[str], env: Mapping[str, str], patience: float
) -> tuple[int, str, str]:
    """The status, standard output and standard error of a program.

    Args:
        patience: seconds until it has to end.

    Raises:
        Hung: it did not.
    """
    process = subprocess.Popen(
        argv,
        env={**env, "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        out, err = process.communicate()
        raise Hung(f"{argv} did not end\n{out}\n{err}") from None
    return process.returncode, out, err
