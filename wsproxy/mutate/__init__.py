"""Makes a new trace from another one, with changes.

draft         the session that is changed: its records, reading and writing
change        the base class of all changes, and parsers of times and numbers
timeline      cut, stall
frames        drop, corrupt, replace
audio_chunks  re-chunk the audio
keepalive     drop or add KeepAlive messages
ending        the Close frame, the end of the connection
handshake     query, headers, another response to the upgrade
condition     fail with a condition of the catalog
pipeline      one trace in, changes, one trace out

Frame numbers are those of the original trace. Times are those of the session after the previous
changes.
"""

from .audio_chunks import Chunk
from .change import Change
from .condition import FailWithCondition
from .draft import Draft
from .ending import SetClose, SetEnd
from .frames import Corrupt, Drop, Replace
from .handshake import SetHeader, SetQuery, SetStatus
from .keepalive import KeepAlive
from .pipeline import MutatedTrace, mutate
from .timeline import Cut, Stall

__all__ = [
    "Change",
    "Chunk",
    "Corrupt",
    "Cut",
    "Draft",
    "Drop",
    "FailWithCondition",
    "KeepAlive",
    "MutatedTrace",
    "Replace",
    "SetClose",
    "SetEnd",
    "SetHeader",
    "SetQuery",
    "SetStatus",
    "Stall",
    "mutate",
]
