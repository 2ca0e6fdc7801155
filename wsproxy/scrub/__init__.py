"""Scrubs traces for publication: the failure stays, words, voices and ids are replaced.

documented       what the APIs' documents list (documented.toml)
allowlist        what may stay in a session of one API
aliases          synthetic words, numbers and ids in the same format
json_rewrite     JSON texts, rewritten in place
text_encodings   bytes written as text: base64, hexadecimal digits, lists of numbers
texts            messages and texts
http_head        requests and responses
binary_messages  binary messages and envelopes
traffic          all frames of a session
trace_fields     the parts of a trace that the check reads
leak_check       private data and credentials that are left
anonymize        one trace in, one scrubbed trace out, or none
proof            whether the failure survived
"""

from .anonymize import Scrubbed, is_scrubbed, scrub
from .proof import Proof, prove

__all__ = ["Proof", "Scrubbed", "is_scrubbed", "prove", "scrub"]
