"""Redacts credentials from records before they are written or logged.

From a single text to the records of a session:

encodings          text behind escapes, base64 and hexadecimal digits
json_fields        named strings of JSON, at any depth
name_values        names and values in URLs, forms, headers, prose, HTML and XML
binary_text        text in binary messages
key_formats        keys that are recognized by their format
heuristics         what looks like a credential by its name, format or randomness
finder             all credentials in a text, within a work limit per record
known_secrets      the session's credentials, found again wherever they are repeated
fingerprint        the entries in `redacted`, and the key of the fingerprints
http_head          headers, path, query and subprotocols
http_body          HTTP bodies
prefilter          a quick check of which messages need a search
messages           WebSocket messages
fragments          messages in fragments
invalid_bytes      bytes that are not frames, masked or not
session_redactor   the records of one session, in order
preview            what would be redacted from a record
"""

from .fingerprint import MIN_SECRET, PLACEHOLDER, Entry, fingerprint_key, unreadable
from .http_head import HeadRedactor, RedactedHead
from .known_secrets import hide_bytes
from .preview import Suspect, suspects
from .session_redactor import SessionRedactor

__all__ = [
    "MIN_SECRET",
    "PLACEHOLDER",
    "Entry",
    "HeadRedactor",
    "RedactedHead",
    "SessionRedactor",
    "Suspect",
    "fingerprint_key",
    "hide_bytes",
    "suspects",
    "unreadable",
]
