"""Makes docs/faults.md: what both ends see of every fault, and what the trace says of it.

python docs/faults.py > docs/faults.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faults.certificates import Certificates
from faults.document import CASES, Outcome, directly, document, recorded
from faults.play import recorder


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates = Certificates.make(folder)
        direct = directly(CASES, certificates)
        with recorder(certificates, folder) as way:
            seen = [recorded(case, certificates, way) for case in CASES]
    outcomes = [Outcome(*each) for each in zip(CASES, direct, seen, strict=True)]
    print(document(outcomes), end="")


if __name__ == "__main__":
    main()
