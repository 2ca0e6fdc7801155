"""What commands cost on a folder of hostile traces:
`PYTHONPATH=tests/support python -m benchmarks.hostile_folder`.

Makes the corpus of `tests/support/hostile_traces.py` and variations of it, chosen by a seed: bytes
changed in the file, or in the content of its blocks (which are then sound), files cut and joined.
Runs the commands that take a folder on all of them, and the others on some of them, each in a
process of its own. Prints a table, and what is over the limits.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile_traces
from command_costs import Cost, measure
from wsproxy.trace.blocks import BadBlock, Compressor, read_block

TRACES = 850
MAX_CPU = 10.0  # seconds for each trace
MAX_RSS = 300 << 20  # bytes
MAX_FOLDER_CPU = 3600  # seconds after which a command is killed
_MAX_CHANGED = 4 << 20  # bytes of a block's content that is changed
_FOLDER = ("list F", "list --json F", "explain F", "explain --json F", "explain --markdown F")
_EACH = (
    "show T", "show --json T", "explain --all T", "diff T T", "mutate T --end reset --out O",
    "recover T --out O", "scrub T --out O", "bundle T --out O/t.zip",
)  # fmt: skip
# They take a trace each, and write 1,500 parts; once is enough.
_ONCE = {"thousands_of_parts_with_gaps", *hostile_traces.NO_FILES}


def flipped(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    """Some bytes of the file changed."""
    changed = bytearray(data)
    for _n in range(chance.choice([1, 3, 30])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    """The file without its end."""
    return data[: chance.randrange(1, len(data))]


def joined(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """The file with a part of another in it."""
    other, at = chance.choice(others), chance.randrange(len(data))
    start = chance.randrange(len(other))
    return data[:at] + other[start:] + data[at:]


def changed_content(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    """Sound blocks with changed bytes in their content."""
    return b"".join(
        Compressor().compress(flipped(block, chance, [])) if 0 < len(block) < _MAX_CHANGED else raw
        for block, raw in _blocks(data)
    )


def shuffled(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    """The blocks in another order, some of them twice."""
    blocks = [raw for _, raw in _blocks(data)]
    return b"".join(chance.choices(blocks, k=len(blocks) + 1)) if blocks else data


CHANGES: tuple[Callable[[bytes, random.Random, list[bytes]], bytes], ...] = (
    changed_content, changed_content, flipped, cut, joined, shuffled
)  # fmt: skip


def _blocks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The content of each block, and its bytes in the file; at most 500 of them."""
    file, offset = io.BytesIO(data), 0
    for _ in range(500):
        try:
            content, end = read_block(file, offset)
        except (BadBlock, EOFError):
            return
        yield content, data[offset:end]
        offset = end


def make(folder: Path, traces: int, seed: int) -> list[Path]:
    """Write the corpus and its variations."""
    chance = random.Random(seed)
    made = []
    for name, maker in hostile_traces.MAKERS.items():
        path = folder / f"{name}.wstrace"
        maker(path)
        made.append(path)
    contents = {path.stem: path.read_bytes() for path in made if path.stem not in _ONCE}
    while len(made) < traces:
        name = chance.choice(list(contents))
        path = folder / f"{name}.{len(made)}.wstrace"
        change = chance.choice(CHANGES)
        path.write_bytes(change(contents[name], chance, list(contents.values())))
        made.append(path)
    return made


def faults(cost: Cost, traces: int) -> list[str]:
    """What must not be, of a command on a number of traces."""
    lines = cost.err.splitlines()
    found = {
        f"status {cost.status}": cost.status not in (0, 1, 2, 3),
        "a traceback": "Traceback" in cost.err + cost.out,
        f"{cost.cpu} s": cost.cpu > MAX_CPU * traces,
        f"{cost.rss >> 20} MiB": cost.rss > MAX_RSS,
        "a line that is neither an error nor a warning": not all(
            line.startswith(("error: ", "warning: ")) for line in lines[: -1 if lines else None]
        ),
    }
    return [what for what, wrong in found.items() if wrong]


def _report(command: str, costs: list[Cost], traces: int) -> None:
    total = sum(cost.cpu for cost in costs)
    print(
        f"| `{command}` | {traces * len(costs)} | {total:.1f} s | {total / traces / len(costs):.2f}"
        f" s | {max(cost.cpu for cost in costs):.1f} s |"
        f" {max(cost.rss for cost in costs) >> 20} MiB |",
        flush=True,
    )
    for cost in costs:
        for fault in faults(cost, traces):
            print(f"over the limits: {' '.join(cost.command)}: {fault}\n{cost.err[-500:]}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=TRACES)
    parser.add_argument("--each", type=int, default=60, help="traces for commands on one trace")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch, "in"), Path(scratch, "out")
        folder.mkdir()
        began = time.monotonic()
        made = make(folder, options.traces, options.seed)
        print(f"{len(made)} traces made in {time.monotonic() - began:.0f} s, seed {options.seed}\n")
        print("| command | traces | CPU | mean | highest of a process | memory |")
        print("|---|---|---|---|---|---|")
        for command in _FOLDER:
            words = [str(folder) if word == "F" else word for word in command.split()]
            _report(command, measure([words], cpu=MAX_FOLDER_CPU), len(made))
        chosen = random.Random(options.seed).sample(made, min(options.each, len(made)))
        for command in _EACH:
            commands = []
            for number, path in enumerate(chosen):
                (out / f"{number}").mkdir(parents=True, exist_ok=True)
                places = {"T": path, "O": out / f"{number}" / f"{command.split()[0]}.wstrace"}
                places["O/t.zip"] = out / f"{number}" / "t.zip"
                commands.append([str(places.get(word, word)) for word in command.split()])
            _report(command, measure(commands), 1)


if __name__ == "__main__":
    main()
