"""Takes credentials out of records before anything of them is written or logged.

fingerprint  what a trace says of a credential that was taken out
rules        what looks like one where the catalog knows none: names, shapes, entropy
find         where they stand in a text
repeats      what was taken out once, wherever it comes back
head         headers, query and subprotocols
body         bodies of HTTP
glance       which messages are worth reading
messages     WebSocket messages
fragments    those in fragments
garbage      bytes that are no frames, masked or not
guard        the records of one session, one after another
suspects     what would be taken out of a record, without doing it
"""

from .fingerprint import MIN_HIDDEN, PLACEHOLDER, Entry, fingerprint_key, unreadable
from .guard import Guard
from .head import Redacted, Redactor
from .repeats import hide_bytes
from .suspects import Suspect, suspects

__all__ = [
    "MIN_HIDDEN",
    "PLACEHOLDER",
    "Entry",
    "Guard",
    "Redacted",
    "Redactor",
    "Suspect",
    "fingerprint_key",
    "hide_bytes",
    "suspects",
    "unreadable",
]
