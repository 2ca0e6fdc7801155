"""Makes a trace as short as it can be while it still fails in the same way, by trying.

parts         a client's side taken apart, and put together again without some of it
search        which parts to try next: delta debugging (no I/O)
attempts      tries them against the server, counts, and keeps the best
written       the recording of the best attempt, as a trace that says what it came from
distillation  the whole of it: does it reproduce, search, write, check
"""

from .attempts import Attempt, Limits
from .distillation import Distillation, Report, distilled_name

__all__ = ["Attempt", "Distillation", "Limits", "Report", "distilled_name"]
