"""Rules about the parameters of the request, and the fields of the app's settings.

Most cover sessions that failed only: a value that the documents do not list may be new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.parameter_form import ParameterForm
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.parameters import misnamed_languages, printed_host_part, url_parameters
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.request_query import query_pairs, query_parameters

_SHOWN = 4  # parameters in the evidence of a rule
_NAME = 60  # characters of a name that are compared
_NEAR = 0.75  # likeness of a name to one that may be meant
_STEM = 6  # letters with which two names begin that may mean the same
_STEM_SHARE = 0.8  # of the shorter one
_SAME = 0.88  # likeness of a name to one that is meant, such as keyterms and keyterm


def language_not_code(facts: SessionFacts) -> list[Evidence]:
    """The app names a language where the API needs a code, and the session failed."""
    if not facts.is_failure_reported:
        return []
    return [parameter.evidence for parameter in misnamed_languages(facts)]


def redirected(facts: SessionFacts) -> list[Evidence]:
    """The server answered the upgrade with another address."""
    response, location = facts.session.response, facts.session.response_header("location")
    if response is None or not 300 <= response.status < 400 or not location:
        return []
    text = f"HTTP {response.status} with the location {quoted(location, 160)}"
    return [Evidence(text, (), response.t_ns, float(response.status), "HTTP status")]


def parameter_value(facts: SessionFacts) -> list[Evidence]:
    """A parameter of the URL has a value that the API does not take."""
    if facts.api is None or not facts.is_failure_reported or _is_url_accepted(facts):
        return []
    query = query_parameters(facts.session.request)
    wrong = [_wrong_value(form, query) for form in facts.api.parameters if form.name in query]
    longest = {form.name: form.longest for form in facts.api.parameters if form.longest}
    for name, value in query_pairs(facts.session.request):
        if len(value) > longest.get(name, len(value)):
            shown = quoted(f"{name}={value}", 60)
            wrong.append(
                f"{shown} in the URL has {len(value)} characters; {name} takes {longest[name]}"
            )
    return [Evidence(text) for text in wrong if text][:_SHOWN]


def _wrong_value(form: ParameterForm, query: dict[str, str]) -> str:
    """What is wrong with the value of a parameter; empty if nothing is."""
    value = query[form.name]
    shown = quoted(f"{form.name}={value}", 80)
    if form.values is not None and value and not form.values.fullmatch(value):
        return f"{shown} in the URL; {form.name} takes {form.takes}"
    number = _number(value)
    if number is None:
        return ""
    if number < form.least or (form.most and number > form.most):
        limits = f"{form.least:g} to {form.most:g}" if form.most else f"at least {form.least:g}"
        return f"{shown} in the URL; {form.name} takes {limits}"
    other = _number(query.get(form.not_above, "")) if form.not_above else None
    most = form.otherwise if other is None else other
    if form.not_above and number > most:
        default = ", its default" if other is None else ""
        return f"{shown} in the URL is above {form.not_above}, which is {most:g}{default}"
    return ""


def _number(text: str) -> float | None:
    try:
        return float(text[:_NAME])
    except ValueError:
        return None


def parameter_apart(facts: SessionFacts) -> list[Evidence]:
    """A parameter of the URL is one that the API does not document with the others there."""
    if facts.api is None:
        return []
    query = query_parameters(facts.session.request)
    found = [_apart(form, query) for form in facts.api.parameters if query.get(form.name)]
    return [Evidence(text) for text in found if text][:_SHOWN]


def _apart(form: ParameterForm, query: dict[str, str]) -> str:
    """With which other parameters it should not be, or should; empty if nothing is wrong."""
    shown = quoted(f"{form.name}={query[form.name]}", 80)
    for other in form.not_with:
        if _is_with(other, query):
            return f"{shown} in the URL is not documented with {other}"
    if not form.only_with or any(_is_with(other, query) for other in form.only_with):
        return ""
    name = form.only_with[0].partition("=")[0]
    used = quoted(f"{name}={query[name]}", 60) if name in query else f"no {name}"
    documented = " or ".join(form.only_with)
    return f"{shown} in the URL is documented with {documented} only; the URL has {used}"


def _is_with(other: str, query: dict[str, str]) -> bool:
    name, _, beginning = other.partition("=")
    return name in query and query[name].lower().startswith(beginning)


def rate_below_model(facts: SessionFacts) -> list[Evidence]:
    """The declared sample rate is lower than the model of the URL needs."""
    declared, query = facts.client_format, query_parameters(facts.session.request)
    if facts.api is None or declared is None or not declared.rate:
        return []
    return [
        Evidence(
            f"{quoted(f'{form.name}={query[form.name]}', 80)} in the URL needs audio of at least "
            f"{rate} Hz; declared: {declared.rate} Hz"
        )
        for form in facts.api.parameters
        for part, rate in form.rates
        if part in query.get(form.name, "") and declared.rate < rate
    ]


def printed_host(facts: SessionFacts) -> list[Evidence]:
    """A part of the host name is what a program prints for a missing value."""
    request = facts.session.request
    part = printed_host_part(request.host.lower()) if request is not None else ""
    if request is None or not part:
        return []
    text = f"{part} in {quoted(request.host)} is what a program prints for a missing value"
    return [Evidence(text)]


def empty_parameter(facts: SessionFacts) -> list[Evidence]:
    """A parameter of the URL is empty, and the request was refused as a bad one."""
    response = facts.session.response
    if facts.session.accepted or response is None or response.status != 400:
        return []
    names = [name for name, value in url_parameters(facts) if not value]
    return [Evidence(f"{quoted(name, 60)} in the URL is empty") for name in names[:_SHOWN]]


def values_in_one(facts: SessionFacts) -> list[Evidence]:
    """A parameter holds a list of values, and the API takes one value in each of them."""
    if facts.api is None or not facts.session.accepted:
        return []
    names = {form.name for form in facts.api.parameters if form.one_each}
    pairs = query_pairs(facts.session.request)
    found = [pair for pair in pairs if pair[0] in names and _is_list(pair[1])]
    return [
        Evidence(f"{quoted(f'{name}={value}', 120)} in the URL is one value with commas")
        for name, value in found[:_SHOWN]
    ]


def _is_list(value: str) -> bool:
    """Whether a value is several words, not a phrase with a comma in it."""
    if value.startswith("[") and value.endswith("]"):
        return True
    parts = value.split(",")
    return len(parts) > 1 and all(part[:1].isalpha() for part in parts)


def undocumented_name(facts: SessionFacts) -> list[Evidence]:
    """The app uses a parameter, or a field of its settings, that the documents do not list."""
    if not facts.is_failure_reported:
        return []
    found = []
    for shown, near, frames in _undocumented(facts, _NEAR):
        meant = f"; the nearest is {near}" if near else ""
        found.append(Evidence(f"{shown} is not documented by the API{meant}", frames))
    return found[:_SHOWN]


def misspelled_name(facts: SessionFacts) -> list[Evidence]:
    """A session without a failure has a name that is nearly, or by its stem, a documented one."""
    if facts.is_failure_reported or not facts.session.accepted:
        return []
    found = {
        f"{shown} is not documented by the API, which has {near}": frames
        for shown, near, frames in _undocumented(facts, _SAME, with_stems=True)
        if near
    }
    return [Evidence(text, frames) for text, frames in found.items()][:_SHOWN]


def _is_url_accepted(facts: SessionFacts) -> bool:
    """Whether the server reported that it is ready: what failed later is not about the URL."""
    timeline = facts.session.timeline
    return timeline is not None and timeline.is_ready


_Used = tuple[str, str, tuple[int, ...]]  # a name, where it is for people, and its frames


def _undocumented(
    facts: SessionFacts, cutoff: float, *, with_stems: bool = False
) -> Iterator[_Used]:
    """Names that are not documented: for people, and the nearest one that is, if any.

    Args:
        cutoff: likeness of a name to one that is near.
        with_stems: whether one that begins alike is near, too, unless it is used itself.
    """
    for place, names in facts.api.documented if facts.api else ():
        if place == "query" and _is_url_accepted(facts) and facts.is_failure_reported:
            continue
        known = {name.lower() for name in names}
        used = list(_query_names(facts) if place == "query" else _field_names(facts, place))
        rest = known - {name.lower() for name, _, _ in used} if with_stems else set()
        for name, shown, frames in used:
            if name.lower() not in known:
                near = get_close_matches(name[:_NAME], names, n=1, cutoff=cutoff)
                yield shown, near[0] if near else _of_same_stem(name[:_NAME], rest), frames


def _of_same_stem(name: str, documented: Iterable[str]) -> str:
    """The documented name that begins like a name, such as punctuate and punctuation; or ""."""
    stems = {each: _same_letters(name.lower(), each) for each in documented}
    alike = [
        each
        for each, length in stems.items()
        if length >= _STEM and length >= _STEM_SHARE * min(len(name), len(each))
    ]
    return max(sorted(alike), key=lambda each: stems[each], default="")


def _same_letters(one: str, other: str) -> int:
    """With how many letters both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _query_names(facts: SessionFacts) -> Iterator[_Used]:
    for name, value in url_parameters(facts):
        yield name, quoted(f"{name}={value}", 80) + " in the URL", ()


def _field_names(facts: SessionFacts, path: str) -> Iterator[_Used]:
    for message in facts.client_json:
        content = field_of(message.content, path)
        if isinstance(content, dict):
            for name in content:
                shown = quoted(f"{path}.{name}", 80)
                yield name, f"{shown} (frame {message.frame})", (message.frame,)
            return


def belongs_in_url(facts: SessionFacts) -> list[Evidence]:
    """A message of the app, or a header of the request, has what the API reads in the URL only."""
    forms = [form for form in facts.api.parameters if form.only_in_url] if facts.api else []
    query = query_parameters(facts.session.request)
    found = _headers_for_url(facts, query)
    for form in forms:
        for message in facts.client_json:
            value = message.content.get(form.name)
            if isinstance(value, str) and value and query.get(form.name) != value:
                used = query.get(form.name)
                there = (
                    f"has {quoted(f'{form.name}={used}', 80)}" if used else f"has no {form.name}"
                )
                text = f"{form.name} is {quoted(value, 80)} in frame {message.frame}; the API "
                text += f"reads it in the URL only, which {there}"
                found.append(Evidence(text, (message.frame,), message.t_ns))
                break
    return found


def _headers_for_url(facts: SessionFacts, query: dict[str, str]) -> list[Evidence]:
    """Headers that have the name of a parameter which the URL lacks."""
    if facts.api is None or facts.provider is None or facts.session.request is None:
        return []
    audio, secret = facts.api.audio, facts.provider.credentials
    names = {audio.encoding_query, audio.rate_query, audio.channels_query}
    names.update(
        name for place, listed in facts.api.documented if place == "query" for name in listed
    )
    names -= {"", *query, *secret.headers, *secret.query}
    return [
        Evidence(f"the request has a header {name}: {quoted(value, 60)}; the URL has no {name}")
        for name, value in facts.session.request.headers
        if name.lower() in names
    ]


RULES: tuple[Measure, ...] = (
    language_not_code,
    redirected,
    parameter_value,
    parameter_apart,
    rate_below_model,
    printed_host,
    empty_parameter,
    values_in_one,
    undocumented_name,
    misspelled_name,
    belongs_in_url,
)
