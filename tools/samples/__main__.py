"""Records the sample traces again: `python -m tools.samples [NAME...]`.

NAME is a sample or a prefix of some: `wire`, `deepgram/deepgram.listen`. It needs a checkout and
the extra `test`; it makes no connection to other machines.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
for _folder in (_ROOT, *(_ROOT / "tests" / name for name in ("", "support", "simulate", "proxy"))):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

from tools.samples.recordings import SAMPLES, make  # noqa: E402
from tools.samples.sample import FOLDER  # noqa: E402

PROCESSES = 4  # they wait most of the time


def main(names: list[str]) -> int:
    wanted = [name for name in SAMPLES if not names or name.startswith(tuple(names))]
    if not wanted:
        print(f"no sample is named {' or '.join(names)}", file=sys.stderr)
        return 2
    failed = 0
    # There can be only one mitmproxy in a process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        for name, faults in zip(wanted, pool.map(make, wanted), strict=True):
            failed += bool(faults)
            size = SAMPLES[name].path.stat().st_size if not faults else 0
            print(f"{name}: {'; '.join(faults) or f'{size} bytes'}", flush=True)
    if not names:
        for path in FOLDER.rglob("*.wstrace"):
            if str(path.relative_to(FOLDER).with_suffix("")) not in SAMPLES:
                path.unlink()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
