"""Writes what commands print now into the console examples of the documents.

python tools/update_examples.py [DOCUMENT...]

Only output that is no longer true changes. A line that is still true stays as it is, with its
`...`; where lines are left out in one place, they stay left out. Review the difference: `...` has
to be put in again where a changed line differs from run to run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from console_examples import Command, Examples, blocks, documents, is_as_documented, matches

REST = "..."


def main() -> None:
    for document in [Path(name).resolve() for name in sys.argv[1:]] or documents():
        text = document.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder, Examples(Path(folder) / "run") as examples:
            changed = updated(text, examples)
        if changed != text:
            document.write_text(changed, encoding="utf-8")
            print(f"{document.name}: changed")


def updated(text: str, examples: Examples) -> str:
    """The document with the output of its examples as it is now."""
    lines = text.splitlines(keepends=True)
    changes: list[tuple[Command, str]] = []
    for block in blocks(text):
        if block.file is not None:
            examples.write(block)
        elif block.language == "console" and block.not_run is None:
            for command in block.commands():
                run = examples.run(command)
                if is_as_documented(command, run):
                    continue
                if command.output.strip():
                    changes.append((command, merged(command.output, run.printed)))
                else:
                    print(f"line {command.line}: exit status {run.status}: {command.text}")
    for command, output in reversed(changes):
        begin = command.line - 1 + command.text.count("\n")
        lines[begin : begin + command.output.count("\n")] = [output]
    return "".join(lines)


def merged(documented: str, printed: str) -> str:
    """What is printed, with what the document leaves out left out."""
    old = documented.rstrip().splitlines()
    new = [line.rstrip() for line in printed.rstrip().splitlines()]
    if old.count(REST) == 1:
        begin, end = old.index(REST), old[::-1].index(REST)
        new = [*new[:begin], REST, *(new[-end:] if end else [])]
    kept = [next((o for o in old if o != REST and matches(o, n)), n) for n in new]
    return "".join(line + "\n" for line in kept)


if __name__ == "__main__":
    main()
