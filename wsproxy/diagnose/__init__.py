"""Why a session ended as it did: the catalog's conditions with evidence from the traffic.

evidence  a fact with its figure and its frames
audio     declared format, what the bytes are, how long they last
case      a session with what is needed of it, computed once
checks    functions that count one thing each
rules     functions that find what is wrong in the traffic, whether or not it failed
explain   findings, and the session in one sentence
"""

from .checks import CHECKS
from .evidence import Evidence
from .findings import Finding, annotate, diagnose, summary
from .rules import RULES
from .session_facts import Measure, SessionFacts

__all__ = [
    "CHECKS",
    "RULES",
    "Evidence",
    "Finding",
    "Measure",
    "SessionFacts",
    "annotate",
    "diagnose",
    "summary",
]
