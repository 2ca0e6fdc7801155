"""What app and API exchange besides audio: texts to speak, function calls, turns of an agent.

The format is described in docs/catalog.md, `[api.exchange]`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .success import MessagePattern

Patterns = tuple[MessagePattern, ...]


@dataclass(frozen=True, slots=True)
class FunctionCalls:
    """Functions that an agent calls, and the app's answers; without a message: unknown.

    Attributes:
        message: messages of the server with calls.
        calls: dotted path of the calls in it, a list or one object; empty: the message itself.
        id, name: dotted paths in a call.
        answer: messages of the app with answers.
        answers, answer_id: the same of an answer.
        answer_name: dotted path of the function's name in an answer; empty: it needs none.
        request: messages of the app that request what the agent says of an answer; empty: the
            agent speaks unasked.
        cancelled: dotted path of the ids of calls that need no answer, in the server's messages.
    """

    message: Patterns = ()
    calls: str = ""
    id: str = "id"
    name: str = "name"
    answer: Patterns = ()
    answers: str = ""
    answer_id: str = "id"
    answer_name: str = ""
    request: Patterns = ()
    cancelled: str = ""


@dataclass(frozen=True, slots=True)
class UserTurns:
    """Who ends the turns of the user, and who requests the answers; without `manual`: unknown.

    Attributes:
        manual: settings, in messages of either side or in the URL, with which the app ends the
            turns.
        automatic: those with which the server ends them.
        silent: those with which the agent answers only when the app requests it.
        uninterrupted: those with which the server does not stop an answer as the user speaks.
        end: of the app, that end a turn.
        request: of the app, that request an answer; empty: the agent answers each turn.
        transcribe: settings that ask for the words of the user.
        language: dotted paths of the language of these words, in the same messages.
        words: of the server, with these words, or with the failure to find them.
    """

    manual: Patterns = ()
    automatic: Patterns = ()
    silent: Patterns = ()
    uninterrupted: Patterns = ()
    end: Patterns = ()
    request: Patterns = ()
    transcribe: Patterns = ()
    language: tuple[str, ...] = ()
    words: Patterns = ()

    @property
    def settings(self) -> Patterns:
        """All patterns of settings."""
        kinds = (self.manual, self.automatic, self.silent, self.transcribe)
        return tuple(pattern for patterns in kinds for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages that belong together. What is empty is unknown: nothing is concluded from it.

    Attributes:
        text_end: of the app, after which the API takes no more text.
        text_flush: of the app, that ask for the audio of the text so far.
        no_flush: (name, value) in the URL with which the API needs no flush.
        held: of the app, whose text the API keeps until there is more, for a time at most.
        held_for: dotted paths of that time in the same messages, milliseconds.
        held_ms: that time where the app names none; 0: there is no such time.
        joins_texts: whether the API joins texts as they are, without a space between them.
        ssml: (name, value) in the URL with which the API reads SSML; without it, tags are text.
        spoken: dotted path of what was spoken, texts or lists of characters, in the server's
            messages.
        context: dotted paths of the context to which a message of the app belongs.
        contextless: of the app, that belong to no context.
        context_end: of the app, after which its context takes no more text.
        context_close: of the app, without which a context stays open.
        user_text: of the app, with a text for the agent, who shall answer it.
        open_text: those that leave the turn of the user open: more is to come.
        force_end: of the app, that end an utterance at once, before its words are final.
        addition: those that add to the conversation, and ask for no answer.
        greeting: dotted paths, in messages of the app, of what the agent shall say first.
        instructions: dotted paths, in messages of the app, of what the agent shall do and be.
        own_instructions: those of one answer, which replace them.
        default_instructions: the beginning of those that the API has where the app sets none.
        cancel: of the app, that cancel an answer.
        own_context: of the app, whose answer belongs to no conversation.
        truncate: of the app, with how much of an answer the user heard.
        ignored: of the app, that the API takes without an error, and that have no effect.
        turn: of the server, each of which ends a turn of the agent.
        turn_begin: those that begin one, where its audio follows them.
        turn_complete: those that end a complete one; empty: all that end one and are not of an
            interrupted one.
        interrupted: those of a turn that the user interrupted.
        text_answer: those of an answer in text alone.
        modalities: dotted paths of the kinds of answer that are agreed on, in either side's
            messages.
        voice: dotted paths of the voice of an answer, in the server's messages.
        heard_tokens: dotted path of the tokens of audio in the context of an answer, a number or
            a list by modality, in the server's messages.
        forgets: settings with which the context becomes smaller by itself.
        transcribed: whether the words of both sides come unasked.
        function: calls of functions.
        turns: how the turns of the user end.
    """

    text_end: Patterns = ()
    text_flush: Patterns = ()
    no_flush: tuple[tuple[str, str], ...] = ()
    held: Patterns = ()
    held_for: tuple[str, ...] = ()
    held_ms: int = 0
    joins_texts: bool = False
    ssml: tuple[tuple[str, str], ...] = ()
    spoken: str = ""
    context: tuple[str, ...] = ()
    contextless: Patterns = ()
    context_end: Patterns = ()
    context_close: Patterns = ()
    user_text: Patterns = ()
    open_text: Patterns = ()
    force_end: Patterns = ()
    addition: Patterns = ()
    greeting: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    own_instructions: tuple[str, ...] = ()
    default_instructions: str = ""
    cancel: Patterns = ()
    own_context: Patterns = ()
    truncate: Patterns = ()
    ignored: Patterns = ()
    turn: Patterns = ()
    turn_begin: Patterns = ()
    turn_complete: Patterns = ()
    interrupted: Patterns = ()
    text_answer: Patterns = ()
    modalities: tuple[str, ...] = ()
    voice: tuple[str, ...] = ()
    heard_tokens: str = ""
    forgets: Patterns = ()
    transcribed: bool = False
    function: FunctionCalls = FunctionCalls()
    turns: UserTurns = UserTurns()


NO_EXCHANGE = Exchange()
