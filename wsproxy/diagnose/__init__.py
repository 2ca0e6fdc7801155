"""Why a session ended as it did: the catalog's conditions with evidence from the traffic.

evidence  a fact with its figure and its frames
audio     declared format, what the bytes are, how long they last
checks    functions that count one thing each
explain   findings, and the session in one sentence
"""

from .checks import CHECKS, Case
from .evidence import Evidence
from .explain import Finding, annotate, diagnose, summary

__all__ = ["CHECKS", "Case", "Evidence", "Finding", "annotate", "diagnose", "summary"]
