"""Makes a trace as short as it can be while it still fails in the same way, by trying.

parts         a client's side taken apart, and put together again without some of it
search        which parts to try next: delta debugging (no I/O)
attempts      tries them against the server, counts, and keeps the best
written       the recording of the best attempt, as a trace that says what it came from
distillation  the whole of it: does it reproduce, search, write, check
"""

from .attempts import Attempt, SearchLimits
from .distillation import Distillation, DistillReport, distilled_name

__all__ = ["Attempt", "DistillReport", "Distillation", "SearchLimits", "distilled_name"]
