"""Compare two traces: whether the same happened, and where they first differ.

comparison          what is compared, and the verdict
session_pair        the two sessions of a comparison
session_digest      a trace read once: messages, audio sizes and hashes, transcript
messages            messages, as the fold of a session completes them
message_kinds       whether messages of a kind are counted
sequence            the messages of one direction in order
transcript          final results as words, and word errors
volatile_values     ids, times and measurements, which are masked
compared_outcome    how a session ended
request             fields of the request
received, sent      what differs in the messages and audio of each direction
audio               audio compared byte by byte
frames              sessions compared frame by frame
content_difference  where two messages differ
difference          one difference, and the tolerances
excerpt             long values shortened to the place where they differ
latency             latencies of both sessions
learning            learns from other recordings what varies
learned_variation   what was learned
"""

from wsproxy.session.message_kinds import MAX_TEXT, kind_of

from .compared_outcome import failure_differences
from .comparison import Comparison, compare, compare_endings
from .difference import STANDARD, Difference, Tolerances
from .learned_variation import NO_VARIATION, LearnedVariation
from .learning import learn

__all__ = [
    "MAX_TEXT",
    "NO_VARIATION",
    "STANDARD",
    "Comparison",
    "Difference",
    "LearnedVariation",
    "Tolerances",
    "compare",
    "compare_endings",
    "failure_differences",
    "kind_of",
    "learn",
]
