"""The sample traces in recordings/, and the kinds that sweeps over them know."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "recordings" / "samples"
# By their path in the folder.
TRACES = {str(path.relative_to(FOLDER)): path for path in sorted(FOLDER.rglob("*.wstrace"))}


def kind(name: str) -> str:
    """What samples of one API have in common; each sample of the wire is a kind by itself."""
    folder, _, file = name.partition("/")
    return name if folder == "wire" else ".".join(file.split(".")[:2])
