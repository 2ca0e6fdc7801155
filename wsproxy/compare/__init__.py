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
said         two messages, and where they differ
frames       two sessions, frame by frame
latency      how long what took
volatile     ids, times and figures, which are not compared
varying      what other recordings of a session show to vary
learning     finds that out
text         long values, shortened to where they differ
"""

from .comparison import Comparison, compare
from .difference import STANDARD, Difference, Tolerances
from .learned_variation import NOTHING, LearnedVariation
from .learning import learn
from .message_kinds import MAX_TEXT, kind_of
from .outcome import of_failure

__all__ = [
    "MAX_TEXT",
    "NOTHING",
    "STANDARD",
    "Comparison",
    "Difference",
    "LearnedVariation",
    "Tolerances",
    "compare",
    "kind_of",
    "learn",
    "of_failure",
]
