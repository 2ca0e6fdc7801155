"""A trace read once: handshake, messages, audio, ending.

session            the fold over a trace's records
direction          the traffic of one side, counted
ending             how a session ended, and which side ended it
frame_fold         the frames of a session, folded: traffic, audio, messages that are kept
traffic            the frames of a session, in running totals
messages           messages and closes as values
head_tail_buffer   the messages that a session keeps
kept_ends          the first and the last items of a long sequence
audio_carrier      what carries audio in a message, right or wrong
audio_track        the audio of one direction in one carrier, as running totals
session_audio      the tracks of a session
track_signal       the samples of a track, analyzed in the format declared at each time
size_histogram     the sizes of many messages
format_timeline    the formats that a session declares its audio to have, over time
declared_audio     the format that a session declares its audio to have
request_query      the query parameters of a request
outcome            whether a session succeeded: proof of success, a failure, or neither
success_tracker    what proves success, as the session shows it
exchange_tracker   texts, function calls and turns, as the session shows them
noted_message      a message that others may belong to
promise_tracker    what the client's settings ask for, and whether it came
word_times         times of words: asked for, and received
turn_tracker       who ends the turns of the user
agent_turns        the turns of a voice agent, with their audio
timeline           audio, transcript, control events and latency over time
latency            how long things took
transcript         the results in their order
transcript_result  the transcript result in one message
control_events     messages that are neither audio nor transcript
message            a message as JSON: its kind and its content
message_kinds      the kind of a message
message_pack       a map of MessagePack as JSON
message_fields     the fields of a message and of the objects in it
message_block      messages that are added at once
heuristic_redactions  places of credentials that only a heuristic found
short_session      all records of a short session
audio_meter        how much audio a direction has carried, and how much is speech
requested_model    the model and the language that a session requests
"""

from .direction import Direction
from .messages import BinaryMessage, CloseInfo, TextMessage
from .session import Session
from .traffic import FrameInfo, Traffic

__all__ = [
    "BinaryMessage",
    "CloseInfo",
    "Direction",
    "FrameInfo",
    "Session",
    "TextMessage",
    "Traffic",
]
