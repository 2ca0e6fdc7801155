"""Why a session ended as it did: the catalog's conditions with evidence from the traffic.

evidence        a fact with its figure and its frames
session_facts   a session with derived facts, each computed once
measurements    functions that measure one thing each
rules           functions that detect one problem each, whether or not the session failed
findings        the findings of one session, and its summary in one sentence
annotation      what a recorder writes of them at the end of a trace
session_groups  findings that only several sessions show together
"""

from .annotation import annotate
from .evidence import Evidence
from .findings import Finding, diagnose, summary
from .measurements import CHECKS
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
