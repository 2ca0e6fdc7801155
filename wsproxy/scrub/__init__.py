"""Makes a trace public: the failure stays, nobody's words, voice or ids do.

aliases     made-up words and ids of the same shape
known       what may stay: words of documents
jsontext    JSON texts rewritten in place
texts       messages and texts
heads       the request and its answer
binary      binary messages and envelopes
noise       noise like audio
containers  containers filled with noise
traffic     all frames of a session
check       what of the original is left
make        one trace in, a public one out, or none
prove       whether the failure survived
"""

from .make import Scrubbed, is_scrubbed, scrub
from .prove import Proof, prove

__all__ = ["Proof", "Scrubbed", "is_scrubbed", "prove", "scrub"]
