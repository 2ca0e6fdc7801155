"""Compares two traces: whether the same happened, and where it first differs.

comparison   what is compared, and the verdict
outcome      how a session ended
request      what was asked for
story        a session's messages, audio and words, read in one pass
messages     messages, opened as they come
kinds        what kind of message one is, and whether it is counted
sequence     messages in their order
transcript   final results as words, and word errors
audio        two apps' audio, byte by byte
frames       two sessions, frame by frame
latency      how long what took
volatile     ids, times and figures, which are not compared
text         long values, shortened to where they differ
"""

from .comparison import Comparison, compare
from .difference import STANDARD, Difference, Rules
from .kinds import MAX_TEXT, kind_of
from .outcome import of_failure

__all__ = [
    "MAX_TEXT",
    "STANDARD",
    "Comparison",
    "Difference",
    "Rules",
    "compare",
    "kind_of",
    "of_failure",
]
