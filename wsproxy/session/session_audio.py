"""The audio of a session: each carrier of each direction is a track."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wsproxy.audio.containers import CONTAINERS, HEADLESS
from wsproxy.audio.encodings import SAMPLE_KINDS
from wsproxy.audio.sniff import SILENCE

from .audio_carrier import BASE64_JSON, BINARY, MSGPACK, AudioCarrierReader, CarriedAudio
from .audio_track import Analyzer, AudioTrack, TrackKey
from .kept_ends import KeptEnds
from .messages import CompleteMessage
from .size_histogram import Place

_MAX_TRACKS = 16  # of a session
_MAX_MEDIA = 32  # changes of the media type that are kept
_KEPT_DECLARING = 32  # messages that may declare a format: the first, and as many last ones
_MAX_DECLARING = 16 << 10  # bytes of one of them
# Parts of the names of fields that declare a format, and of its values.
_DECLARING = ("ormat", "ampl", "ncoding", "imeType", '"audio/')
_SHORT_TEXT = 1024  # bytes of a text message in which audio is not looked for without tracks
_AUDIO_KINDS = SAMPLE_KINDS | CONTAINERS | {SILENCE}

# A message that may declare a format: its frame, t_ns, whether the client sent it, its content.
DeclaringMessage = tuple[int, int, bool, bytes]


class SessionAudio:
    """The audio of both directions of a session, folded message by message.

    Args:
        with_tracks: False: audio is only told from other long messages, and there are no tracks.

    Attributes:
        ended: whether the session has ended; messages after that are not added.
        declaring: messages that may declare a format, and how many there were.
        plain: of the server and of the client: the track of its binary messages where these are
            audio without an envelope, so that all of them may be added to it at once.
        analyzer_of: makes what examines the samples of a new track; None: they are not examined.
        in_blocks: of the server and of the client: whether binary messages need not be added one
            by one.
        before_declaration: called before a message that may declare a format is kept.
    """

    def __init__(self, *, with_tracks: bool = True) -> None:
        self.ended = False
        self._with_tracks = with_tracks
        self.in_blocks = [not with_tracks] * 2
        self.analyzer_of: Callable[[AudioTrack], Analyzer] | None = None
        self.before_declaration: Callable[[], None] = lambda: None
        self._readers = (AudioCarrierReader(), AudioCarrierReader())
        self._tracks: dict[TrackKey, AudioTrack] = {}
        self.plain: list[AudioTrack | None] = [None, None]
        self.declaring: KeptEnds[DeclaringMessage] = KeptEnds(_KEPT_DECLARING)

    def declare_fields(self, paths: Sequence[str]) -> None:
        """Find audio in these fields, where the API has it, however short it is."""
        for reader in self._readers:
            reader.fields = paths

    def add(self, message: CompleteMessage, *, may_declare: bool = True) -> CarriedAudio | None:
        """Add a complete message of either direction.

        Args:
            may_declare: False: `declares_format` is known to be false for it.

        Returns:
            Its audio, None where it has none.
        """
        frame, t_ns, from_client, is_text, data, length, fragmented, packed = message
        reader = self._readers[from_client]
        if not self._with_tracks:
            return reader.text(data, length) if is_text and length > _SHORT_TEXT else None
        found = reader.text(data, length) if is_text else reader.binary(data, length)
        if found is None:
            if may_declare and declares_format(data):
                self.before_declaration()
                self.declaring.append((frame, t_ns, from_client, data[:_MAX_DECLARING]))
            return None
        if packed and found.carrier == BASE64_JSON:
            found.carrier = MSGPACK
        track = self._track(found, from_client=from_client)
        if track is None or self.ended:
            return found
        if found.media and len(track.media) < _MAX_MEDIA and track.last_media != found.media:
            track.media.append((Place(frame, t_ns), found.media))
        track.add(frame, t_ns, found.size, fragmented=fragmented)
        if track.wants_data:
            track.add_data(found.data(), frame, t_ns)
        if found.carrier == BINARY and reader.is_settled:
            self.plain[from_client] = track
            self.in_blocks[from_client] = True
        return found

    def keep_open(self, *, from_client: bool) -> None:
        """A side has sent a keepalive: see `AudioTrack.keep_open`."""
        for track in self._tracks.values():
            if track.from_client is from_client:
                track.keep_open()

    def _track(self, found: CarriedAudio, *, from_client: bool) -> AudioTrack | None:
        """The track of this carrier; None if there are too many."""
        key = (from_client, found.carrier, found.json_field)
        track = self.track(key)
        if track is None and len(self._tracks) < _MAX_TRACKS:
            track = AudioTrack(from_client, found.carrier, found.json_field, found.known)
            self._tracks[key] = track
            if self.analyzer_of is not None:
                track.analyzer = self.analyzer_of(track)
        return track

    def track(self, key: TrackKey) -> AudioTrack | None:
        """The track with a key, see `AudioTrack.key`."""
        return self._tracks.get(key)

    def tracks(self, *, from_client: bool) -> list[AudioTrack]:
        """The tracks of a direction, the one with the most audio first.

        A field that may carry something else is a track if its content is audio.
        """
        found = [
            track
            for (side, _, _), track in self._tracks.items()
            if side is from_client and (track.known or is_audio(track.kind))
        ]
        return sorted(
            found, key=lambda track: (-track.size, track.first.frame if track.first else 0)
        )


def is_audio(kind: str) -> bool:
    """Whether a kind of `audio.sniff.sniff` is audio for certain."""
    return kind.removesuffix(HEADLESS) in _AUDIO_KINDS


def declares_format(data: bytes) -> bool:
    """Whether one of the messages in these bytes may declare a format; as text, see `mentions`."""
    text = data.decode("latin-1")
    for part in _DECLARING:  # noqa: SIM110  # a generator costs as much as the comparison
        if part in text:
            return True
    return False
