"""Makes a trace public: the failure stays, nobody's words, voice or ids do.

aliases     synthetic words, numbers and ids of the same shape
documented  what the documents of the APIs enumerate (documented.toml)
known       what may stay in a session of one API
jsontext    JSON texts rewritten in place
encoded     bytes that are written as text: base64, lists of numbers
texts       messages and texts
heads       the request and its answer
headers     values of HTTP headers
binary      binary messages and envelopes
noise       noise like audio
containers  containers filled with noise
traffic     all frames of a session
places      the parts of a trace, as the checker reads them
waves       whether two pieces of audio are one
work        what it costs, before it is begun
check       what of the original is left
make        one trace in, a public one out, or none
prove       whether the failure survived
"""

from .anonymize import Scrubbed, is_scrubbed, scrub
from .proof import Proof, prove

__all__ = ["Proof", "Scrubbed", "is_scrubbed", "prove", "scrub"]
