"""Makes a new trace of another one, with changes: a session that never was, for replay.

draft      the session at hand: its records, what changes have in common, reading and writing
places     times and frames as people write them
change     what all changes are
timeline   cut, stall
frames     drop, corrupt, replace
audio      re-cut the audio
keepalive  drop or add KeepAlive messages
ending     the Close frame, the end of the connection
handshake  query, headers, another answer to the upgrade
condition  fail with a condition of the catalog
make       one trace in, changes, one trace out

Frame numbers are those of the trace that is read, whatever was changed before; times are
those of the session as the changes before have left it.
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
