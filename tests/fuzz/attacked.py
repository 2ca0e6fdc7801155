"""The process in which atheris runs one target; started by `python -m fuzz`.

An exception does not end it: the input is kept, once for each place in wsproxy that an
exception came from, and the search continues.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

import atheris

_NAME, _FOLDER = sys.argv[1], Path(sys.argv[2])
_MAX_SLOW = 10  # slow inputs that are kept

with atheris.instrument_imports(include=["wsproxy"]):
    _TARGET: ModuleType = importlib.import_module(f"fuzz.{_NAME}")

from fuzz.judge import MAX_CPU, Wrong  # noqa: E402  # imports wsproxy

_seen: set[str] = set()


def _one(data: bytes) -> None:
    began = time.process_time()
    try:
        _TARGET.one(data)
    except Exception as error:  # whatever it is, it is what is looked for
        _keep(_place(error), data, traceback.format_exc())
        return
    if (cpu := time.process_time() - began) > MAX_CPU and len(_seen) < _MAX_SLOW:
        _keep(f"slow-{len(data).bit_length()}", data, f"{cpu:.1f} s of CPU\n")


def _place(error: BaseException) -> str:
    """Where it came from: the innermost line of wsproxy, or of the target, or what it says."""
    if isinstance(error, Wrong):
        return f"Wrong-{hashlib.sha256(str(error)[:40].encode(errors='replace')).hexdigest()[:6]}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "wsproxy" in Path(f.filename).parts or "fuzz" in f.filename]
    inner = own[-1] if own else frames[-1]
    return f"{type(error).__name__}-{Path(inner.filename).stem}-{inner.lineno}"


def _keep(place: str, data: bytes, text: str) -> None:
    if place in _seen:
        return
    _seen.add(place)
    name = f"{place}-{hashlib.sha256(data).hexdigest()[:8]}"
    folder = _FOLDER / "found"
    if any(folder.glob(f"{place}-*")):
        return  # an earlier process has it
    (folder / name).write_bytes(data)
    (folder / f"{name}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")


def _plant() -> None:
    """The seeds are files too, beside what the search adds to them."""
    for data in _TARGET.seeds():
        path = _FOLDER / "corpus" / hashlib.sha256(data).hexdigest()[:16]
        if not path.exists():
            path.write_bytes(data)


_plant()
atheris.Setup([sys.argv[0], *sys.argv[3:]], _one)
atheris.Fuzz()
