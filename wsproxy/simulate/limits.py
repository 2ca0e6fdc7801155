"""The limits of simulated APIs, beyond which a session fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiQuotas:
    """Documented limits, and assumed ones where the documents give no figure.

    Attributes:
        silence: seconds; Deepgram listen waits this long for audio or KeepAlive
            (documented: 10), and the trigger "silence" for any message.
        speak_silence: seconds that Deepgram speak waits for a message (assumed).
        text_characters: of one Speak message (documented for the REST API: 2000).
        message_bytes: of one message to Deepgram speak (documented for REST: 2 MB).
        characters: to speak within `characters_window` seconds (assumed).
        chunk: shortest and longest audio message to AssemblyAI, seconds (documented).
        ahead: seconds that AssemblyAI's audio may be ahead of the clock (assumed).
        session: seconds that an AssemblyAI session may last (documented: 3 hours).
        sessions: concurrent ones (assumed).
        linger: seconds that a connection is kept for the client's answer to a Close frame.
    """

    silence: float = 10.0
    speak_silence: float = 60.0
    text_characters: int = 2000
    message_bytes: int = 2_000_000
    characters: int = 12_000
    characters_window: float = 60.0
    chunk: tuple[float, float] = (0.050, 1.000)
    ahead: float = 2.0
    session: float = 3 * 3600.0
    sessions: int = 1000
    linger: float = 2.0
