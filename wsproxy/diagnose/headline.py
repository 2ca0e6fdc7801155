"""The server's own sentence as the headline of a failure.

Where only a code or a status is known, the sentence of the server says more than the text of the
code: the finding gets the sentence as its title, and meaning and advice by the class of error
that its words describe. What RFC 6455 says of the code becomes a footnote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wsproxy.catalog import GENERIC, TRAFFIC, Advice, Condition, Hit, Source
from wsproxy.catalog.server_sentence import ServerSentence, contains
from wsproxy.session.outcome import failed_objects

from .error_classes import ErrorClass, class_of, classify
from .evidence import Evidence, quoted
from .gateways import gateway_name
from .parameters import Parameter, named_parameters
from .session_facts import SessionFacts

_SHOWN = 600  # characters of a sentence in the evidence
# Fields with a status as HTTP has it, and those that recur until the request is another one.
_STATUSES = ("status_code", "error_code", "status", "code")
_OF_REQUEST = ("400", "404", "405", "413", "415", "422")
_NAMES = 3  # names of an error behind its sentence
_TITLE = 220  # characters of a sentence in a title
_BODY = ("response body: ", "body: ")
_PRIVATE = 3000  # close codes from here on have the meaning that the provider gives them
_OF_PARAMETERS = ("parameter", "model")  # classes of sentences that name parameters by plain words
_ABOUT_PARAMETER = re.compile(r"(?i)\bparameters?\b|\bquery\b")
_OF_AUDIO = re.compile(r"(?i)encod|codec|format|rate|channel|container|mime|content|bit")
_LOOK_UP = (
    Advice("Search the provider's documents and issue tracker for this sentence"),
    Advice("Send the trace and the request id to the provider's support"),
)
NAMELESS = "server.error"  # the id of an error without a class
_UNCLASSIFIED = "wsproxy does not know this error. The sentence is the server's own."


@dataclass(frozen=True, slots=True)
class Said:
    """What the server said of the failure.

    Attributes:
        sentence: the most relevant sentence.
        kind: its class; None where its words belong to none.
        parameters: of the request, which it names.
    """

    sentence: ServerSentence
    kind: ErrorClass | None
    parameters: Sequence[Parameter]

    @property
    def id(self) -> str:
        return f"server.{self.kind.id}" if self.kind is not None else ""

    @property
    def evidence(self) -> list[Evidence]:
        """The sentence, and the parameters that it names: those of the URL in the same line."""
        sentence = self.sentence
        place = {"message": "the server sent", "body": "response body",
                 "page": "page in the response"}.get(sentence.where, sentence.where)  # fmt: skip
        where = f" (frame {sentence.frame})" if sentence.frame is not None else ""
        names = [_readable(n) for n in sentence.names if not contains(sentence.text, n)]
        more = f"; {', '.join(names[:_NAMES])}" if names else ""
        frames = (sentence.frame,) if sentence.frame is not None else ()
        of_url = "".join(f"; {p.evidence.text}" for p in self.parameters if p.frame is None)
        ending = "." if of_url and not more else ""
        words = quoted(sentence.text, _SHOWN).removesuffix(ending)
        text = f"{place}: {words}{quoted(more)}{where}{of_url}"
        return [
            Evidence(text, frames, sentence.t_ns),
            *(p.evidence for p in self.parameters if p.frame is not None),
        ]


def _readable(name: str) -> str:
    """The name of an error; a number alone says nothing."""
    return f"code {name}" if name.isdecimal() else name


def server_said(facts: SessionFacts) -> Said | None:
    """What the server said of a failure; None if it said nothing."""
    sentences = facts.sentences
    if not sentences:
        return None
    # Of several sentences about the end, one with a known class says more.
    first = sentences[0]
    about_end = [s for s in sentences if s.ends and s.is_prose] or [first]
    best = next((s for s in about_end if classify(s) is not None), about_end[0])
    chosen = best if first.ends else first
    kind = of_page(facts) if chosen.where == "page" else classify(chosen)
    return _said(facts, chosen, kind)


def said_of_object(facts: SessionFacts) -> Said | None:
    """What the server said of an object that failed; None where none did, or without words."""
    timeline = facts.session.timeline
    failed = failed_objects(timeline) if timeline is not None else []
    # A name such as "max_output_tokens" says less than the title of the condition.
    spoken = next((one for one in failed if " " in one.sentence.strip()), None)
    if spoken is None:
        return None
    sentence = ServerSentence(
        spoken.sentence, "message", (spoken.state,), "", spoken.frame, spoken.t_ns
    )
    return _said(facts, sentence, classify(sentence))


def _said(facts: SessionFacts, sentence: ServerSentence, kind: ErrorClass | None) -> Said:
    plain = kind is not None and kind.id in _OF_PARAMETERS
    parameters = named_parameters(facts, sentence, plain=plain)
    if kind is not None and kind.id == "format" and _is_of_parameter(sentence, parameters):
        kind = class_of("parameter")
    if kind is not None and kind.id == "format" and not _may_send_audio(facts):
        kind = class_of("message")
    return Said(sentence, kind, parameters)


def _may_send_audio(facts: SessionFacts) -> bool:
    """Whether the app has audio of its own, by its API or in this session."""
    if facts.api is not None and facts.api.audio.origin != "server":
        return True
    return facts.api is None or bool(facts.tracks(from_client=True))


def _is_of_parameter(sentence: ServerSentence, parameters: Sequence[Parameter]) -> bool:
    """Whether a sentence about a format is about the form of a parameter of the URL."""
    of_url = [p.name for p in parameters if p.frame is None and p.named]
    if any(map(_OF_AUDIO.search, of_url)):
        return False
    return bool(of_url) or _ABOUT_PARAMETER.search(sentence.text) is not None


def of_page(facts: SessionFacts) -> ErrorClass | None:
    """The class of a page that an intermediary sent: what the catalog says of it."""
    for condition in facts.catalog.conditions_of(TRAFFIC):
        if any(match.rule == "gateway_between" for match in condition.matches):
            return ErrorClass(
                "gateway",
                re.compile(r"(?i)gateway"),
                condition.meaning,
                condition.causes,
                condition.remedies,
                condition.retry,
            )
    return None


def needs_sentence(hit: Hit, said: Said) -> bool:
    """Whether the sentence is the better headline than the condition that matched."""
    condition = hit.condition
    if condition.sentence_first:
        return True
    if not hit.vague or condition.intermediary or _is_used(hit, said):
        return False
    if condition.general or condition.provider == GENERIC:
        return True
    code = next((f.value for f in hit.facts if f.name == "close code"), "")
    if code.isdecimal() and int(code) < _PRIVATE:
        return True
    # A documented meaning of this status or private code, unless the sentence is of another kind.
    words = f"{condition.title}. {condition.meaning}"
    return said.kind is not None and said.kind.words.search(words) is None


def _is_used(hit: Hit, said: Said) -> bool:
    """Whether a pattern of an RFC 6455 condition matched the sentence itself."""
    by_words = hit.stage not in ("code", "status")
    return (
        hit.condition.provider == GENERIC
        and by_words
        and any(contains(fact.value, said.sentence.text) for fact in hit.facts)
    )


def with_sentence(
    facts: SessionFacts, condition: Condition, said: Said, shown: Callable[[str], bool]
) -> Condition:
    """The condition with the sentence as its title, and the advice of the sentence's class.

    Args:
        shown: whether there is evidence for a rule, by its name.
    """
    kind = said.kind
    own = condition.provider != GENERIC
    changed = replace(
        condition, id=condition.id if own else said.id or condition.id, title=_title(facts, said)
    )
    if not own and said.sentence.where == "message" and condition.severity == "warning":
        changed = replace(changed, severity="error")  # the code alone would be harmless
    if not condition.is_problem:
        changed = replace(changed, severity="warning")  # so is that of a normal end
    if not own:
        source = Source("The server's own sentence, classified by its words")
        name = said.id or (condition.id if condition.is_problem else NAMELESS)
        changed = replace(changed, id=name, meaning=_UNCLASSIFIED, source=source)
    if kind is None:
        if changed.retry == "maybe" and _is_of_request(facts, said.sentence):
            changed = replace(changed, retry="fix-first")
        return changed if own else replace(changed, causes=(), remedies=_LOOK_UP)
    return replace(
        changed,
        meaning=kind.meaning,
        causes=_causes(condition, kind, shown),
        remedies=tuple(kind.remedies),
        retry=kind.retry,
        retry_note=kind.retry_note,
    )


def _is_of_request(facts: SessionFacts, sentence: ServerSentence) -> bool:
    """Whether the message of a sentence has a status that means a fault of the request."""
    message = next((m for m in facts.server_json if m.frame == sentence.frame), None)
    if message is None or sentence.where != "message":
        return False
    return any(str(message.content.get(name)) in _OF_REQUEST for name in _STATUSES)


def _causes(
    condition: Condition, kind: ErrorClass, shown: Callable[[str], bool]
) -> tuple[Advice, ...]:
    """The causes of the class, after those of the condition that the traffic shows."""
    own = [advice for advice in condition.causes if advice.when and shown(advice.when)]
    known = {advice.when for advice in own}
    others = (advice for advice in kind.causes if advice.when not in known)
    return (*own, *(advice for advice in others if not advice.when or shown(advice.when)))


def with_parameters(condition: Condition, said: Said) -> Condition:
    """The condition with the parameters at fault in its title."""
    return replace(condition, title=f"{condition.title} ({_listed(said.parameters)})")


def _listed(parameters: Sequence[Parameter]) -> str:
    """The parameters at fault: those with a known mistake, else those that the server names."""
    wrong = [p for p in parameters if p.note] or [p for p in parameters if p.named] or parameters
    return ", ".join(parameter.text for parameter in wrong[:2])


def new_condition(
    facts: SessionFacts, said: Said, severity: str, default_id: str, shown: Callable[[str], bool]
) -> Condition:
    """A condition for a sentence that no condition of the catalog is about.

    Args:
        default_id: where the sentence has no class.
    """
    blank = Condition(
        default_id, GENERIC, (), severity, "", _UNCLASSIFIED, (), (), "maybe", Source(""), (), ()
    )
    changed = with_sentence(facts, blank, said, shown)
    return replace(changed, severity=severity)


def _title(facts: SessionFacts, said: Said) -> str:
    of_request = f" ({_listed(said.parameters)})" if said.parameters else ""
    who = f"{facts.server_name} reports"
    if said.sentence.where == "page":
        gateway = gateway_name(facts.session)
        who = f"{gateway or 'An intermediary'} answered in place of {facts.server_name}"
    return f"{who}: {quoted(said.sentence.text, _TITLE)}{of_request}"


def footnote(condition: Condition, code: int | None) -> list[Evidence]:
    """What RFC 6455 or HTTP says of the code alone; nothing where that is only its number."""
    title = condition.title.replace(f" ({code})", "")
    if str(code) in title:
        return []
    return [Evidence(f"the general meaning of {code}: {title}", detail=True)]


def arranged(evidence: Sequence[Evidence], said: Said | None) -> list[Evidence]:
    """The evidence in the order of what it adds, nothing twice."""
    first = said.evidence if said is not None else []
    sentence = said.sentence.text if said is not None else ""
    head: list[Evidence] = []
    tail: list[Evidence] = []
    names = said.sentence.names if said is not None else ()
    texts = {e.text for e in first}
    for item in evidence:
        if item.text in texts or _is_repeated(item.text, sentence) or _is_name(item.text, names):
            continue
        texts.add(item.text)
        (tail if _includes(item.text, sentence) else head).append(item)
    if any(e.text.startswith("requested ") for e in head):
        head = [e for e in head if not e.text.startswith("request: ")]
    if any(" ended the session " in e.text for e in head):
        head = [e for e in head if not e.text.startswith("the session ended ")]
    statuses = {e.text.split()[1] for e in head if e.text.startswith("HTTP ")}
    head = [e for e in head if e.text.removeprefix("status: ") not in statuses]
    # The complete message or body, if it says more than what is shown of it already.
    complete = (replace(e, detail=True) for e in tail if not e.text.startswith(_BODY))
    return [*first, *head, *complete]


def _includes(text: str, sentence: str) -> bool:
    return bool(sentence) and contains(text.replace('\\"', '"'), sentence[:80])


def _is_name(text: str, names: Sequence[str]) -> bool:
    """Whether a line is a field of the body with a name that stands behind the sentence."""
    return text.startswith("body ") and text.partition(": ")[2] in names[:_NAMES]


def _is_repeated(text: str, sentence: str) -> bool:
    """Whether a line is nothing but a label and the sentence."""
    if not sentence:
        return False
    label, _, value = text.partition(": ")
    value = value.rpartition(" (frame ")[0] or value
    return len(label) < 40 and contains(sentence, value.rstrip("…")) and len(value) > 8
