"""Makes docs/faults.md: what both ends see of every fault, and what the trace says of it.

python tools/faults.py > docs/faults.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faults.certificates import Certificates
from faults.document import document, outcomes
from faults.play import recorder
from faults.table import CASES


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates = Certificates.make(folder)
        with recorder(certificates, folder) as way:
            text = document(outcomes(CASES, certificates, way))
    print(text, end="")


if __name__ == "__main__":
    main()
