"""A short successful session of an API, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says to one kind of the client's messages.

    Attributes:
        to: a message of this kind. Without a field for the kind: one with these fields; null is
            any value.
        messages: of the server. "{response}" stands for all of `Dialogue.response`.
    """

    to: str
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A short successful session, as documented, that `simulate` plays.

    A message is written as on the wire, or, for an API with an envelope, as the JSON object in
    it. The server's messages are templates, see `wsproxy.simulate.dialogue_template`; in the
    client's, "{audio}" is replaced with base64 of audio, "{id}" with an id.

    Attributes:
        http: the body of its response to a plain POST of the same path; a template.
        greeting: the server's messages right after the upgrade, before the client's first one.
        setup: the client's messages before audio or text.
        opening: the server's messages after each message of the kind of the first one of the
            setup; without a setup, after the upgrade.
        audio: the client's message that carries audio; empty: a binary message.
        say: the client's messages instead of audio.
        acknowledge: the server's messages after each message with audio.
        started: the server's messages when a turn of the client begins.
        interim: the server's messages while the client speaks.
        stopped: the server's messages when a turn of the client ends, before `reply`.
        reply: the server's messages after a turn of the client: an utterance, or a text.
        response: the server's messages after that, with which it takes its own turn.
        word: the template of an item of "{=words}", a JSON object.
        answers: what it says to other messages of the client.
        context: name of the client's field whose values separate turns on one connection.
        manual: "path=JSON" of the client's fields; with one of them, pauses end no turn.
        container: of each piece of the server's audio: "wav", or empty for samples alone.
        asked: (name of a group of messages, condition as in `mute`): the server sends `started`,
            `interim`, `stopped` or `response` only if the client asked for it.
        mute: the same, or "query.NAME=JSON"; with one of them, there is no `response`.
        end: the client's messages that end its input.
        farewell: the server's messages after that.
        close: who closes: "client" or "server"; empty: the server, without a code.
    """

    http: str = ""
    greeting: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    audio: str = ""
    say: tuple[str, ...] = ()
    acknowledge: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    interim: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    response: tuple[str, ...] = ()
    word: str = ""
    answers: tuple[Answer, ...] = ()
    context: str = ""
    manual: tuple[str, ...] = ()
    container: str = ""
    asked: tuple[tuple[str, str], ...] = ()
    mute: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    farewell: tuple[str, ...] = ()
    close: str = "server"
