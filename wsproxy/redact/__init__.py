"""Takes credentials out of records before anything of them is written or logged.

fingerprint  what a trace says of a credential that was taken out
rules        what looks like one where the catalog knows none: names, values, entropy
shapes       keys that are recognized by their shape alone
fields       named strings of JSON, at any depth
pairs        names and values of URLs, forms, headers and prose
markup       names and values of HTML and XML
escapes      a text without its escapes
encoded      text in base64 and hexadecimal digits
binary       text in binary messages
evidence     which parts of them are text, and what counts there
find         where credentials stand in a text, by all of these
known        credentials of the session, wherever they come back
budget       how much work one record may be
head         headers, path, query and subprotocols
body         bodies of HTTP
glance       which messages are worth reading
messages     WebSocket messages
fragments    those in fragments
content      strings of content that go on in the next fragment
garbage      bytes that are no frames, masked or not
guard        the records of one session, one after another
suspects     what would be taken out of a record, without doing it
"""

from .fingerprint import MIN_HIDDEN, PLACEHOLDER, Entry, fingerprint_key, unreadable
from .http_head import HeadRedactor, RedactedHead
from .known_secrets import hide_bytes
from .preview import Suspect, suspects
from .session_redactor import SessionRedactor

__all__ = [
    "MIN_HIDDEN",
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
