"""Rules: each detects one problem in a session's traffic.

A rule is a pure function of `SessionFacts`. It returns evidence, with figures and frame numbers,
where the rule is broken, and nothing where it is not or where that is unknown. Rules apply to
failed and successful sessions, so a rule returns nothing in case of doubt.
`catalog/traffic*.toml` explains each rule and what to do.

audio        the bytes of the audio, against the declared format
received     the server's audio, against the format that was agreed
signal       the samples of all of the audio: rate, encoding, silence, level, headers
repetition   audio that is sent more than once
carriers     what carries the audio, against what the API takes
timing       gaps, pace and durations, against the API's documented limits
messages     kinds, frames, sizes and order of messages
exchange     texts to speak, function calls, turns: messages that belong together
spoken_texts  texts to speak, against what was spoken of them
text_pieces  texts to speak, in pieces
unspeakable  texts to speak that are for a machine, or for the eye
user_texts   texts for an agent: left open, or two at once
conversation  who begins, who answers what, how a turn ends
agent_repeats  what an agent does again, and what came too late
agreement    what an agent was asked for, against what came
dialogue_facts  what the rules about a conversation share
telephone    the media streams of telephone services
asterisk     calls of its channel chan_websocket
playback     what such a service has still to play
transcription  what a service needs before it transcribes
words        the words that came of speech
odd_words    words that came again, unsure, in another script, or of mixed channels
places       the places of words in the audio
promises     what a setting of the app asks for, and did not come
outcome      what came of the session, against what proves success
good_ending  what the rules about missing answers share
lateness     how late results came
likely_causes  likely causes of failures, which are not wrong by themselves
quiet_source  silence that a source leaves out, or sends at once: likely causes
notices      what is lawful, and surprises
turn_settings  what follows from the settings of turn detection
agent_notices  such of conversations with voice agents
endings      what an ending itself shows of its cause
request      parameters of the request
credentials  where a key was sent and what it looks like, without showing it
"""

from wsproxy.diagnose.session_facts import Measure

from . import (
    agent_notices,
    agent_repeats,
    agreement,
    asterisk,
    audio,
    carriers,
    conversation,
    credentials,
    endings,
    exchange,
    likely_causes,
    messages,
    notices,
    odd_words,
    outcome,
    places,
    playback,
    promises,
    quiet_source,
    received,
    request,
    signal,
    spoken_texts,
    telephone,
    text_pieces,
    timing,
    transcription,
    turn_settings,
    unspeakable,
    user_texts,
    words,
)

RULES: dict[str, Measure] = {
    rule.__name__: rule
    for module in (
        credentials,
        audio,
        signal,
        carriers,
        received,
        timing,
        messages,
        exchange,
        spoken_texts,
        text_pieces,
        unspeakable,
        user_texts,
        conversation,
        agent_repeats,
        agreement,
        telephone,
        playback,
        asterisk,
        request,
        transcription,
        words,
        odd_words,
        promises,
        places,
        outcome,
        likely_causes,
        quiet_source,
        notices,
        turn_settings,
        agent_notices,
        endings,
    )
    for rule in module.RULES
}

__all__ = ["RULES"]
