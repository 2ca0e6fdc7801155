"""Shorten a failing trace by trials until it is minimal and still fails in the same way.

distillation  reproduce the failure, search, write the result, check it
attempts      runs candidates against the server, counts them, keeps the best
script_parts  the client's side in parts, and scripts with some of the parts
search        which candidate to try next: delta debugging (no I/O)
result_trace  writes the recording of the best attempt as a trace
"""

from .attempts import Attempt, SearchLimits
from .distillation import Distillation, DistillReport, distilled_name

__all__ = ["Attempt", "DistillReport", "Distillation", "SearchLimits", "distilled_name"]
