"""A request that was rejected as invalid: what of it the API does not take, as a cause.

Servers often refuse a request without a word, or with one such as "invalid_request". What the
documents say of its parameters, and which ones the URL has, is then all there is. A parameter whose
value is what a language prints for a missing value, for a truth value or for an object is hardly
meant: it becomes part of the headline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from .evidence import Evidence, quoted
from .finding import Finding
from .parameters import printed_values, url_parameters
from .rules.request import (
    empty_parameter,
    parameter_apart,
    parameter_value,
    rate_below_model,
    undocumented_name,
)
from .session_facts import SessionFacts

_STATUSES = (400, 404, 405, 422, 500)
"""Those of a request that is invalid; many servers of one's own fail with 500 then."""
_OTHER_CAUSES = (401, 402, 403, 407, 408, 409, 426, 429)  # statuses with a meaning of their own
_CLASSES = ("parameter", "model", "state", "format", "request")
_VALUES = (parameter_value, parameter_apart, rate_below_model, empty_parameter)
_RULES = (*_VALUES, undocumented_name)
_CHANGE = "Change this setting of the URL, or leave it out"
_CORRECT = "Correct the setting that is seen to be wrong, or leave it out"
_LISTED = 12  # parameters of the URL
_WIDTH = 240  # characters of them
_NAME = 60  # characters of a name that are compared


def with_request(findings: Sequence[Finding], facts: SessionFacts) -> list[Finding]:
    """The findings, the first one with what is wrong in the request."""
    found = _with_own_limit(_with_causes(findings, facts), facts)
    return _with_printed_values(found, facts)


def _with_own_limit(findings: Sequence[Finding], facts: SessionFacts) -> list[Finding]:
    """The findings, the first one with the setting of the URL that has its name."""
    first = next(iter(findings), None)
    if first is None or not first.is_problem:
        return list(findings)
    name = _bare(first.id.rpartition(".")[2])
    seen = [
        f"The URL sets this: {quoted(f'{key}={value}', 80)}"
        for key, value in url_parameters(facts)
        if _bare(key) == name
    ]
    if not seen:
        return list(findings)
    named = first.with_seen(seen).with_fitting([*first.fitting, _CHANGE])
    return [named.fix_first() if first.retry == "maybe" else named, *findings[1:]]


def _bare(name: str) -> str:
    """A name of a setting without the way it is written, and without its unit."""
    return re.sub(r"(?:ms|secs|seconds)$", "", re.sub(r"[^a-z0-9]", "", name[:_NAME].lower()))


def _with_causes(findings: Sequence[Finding], facts: SessionFacts) -> list[Finding]:
    """The findings, the first one with what the documents do not take among its causes."""
    first = next(iter(findings), None)
    if first is None or first.severity != "error" or not _is_rejected(first, facts):
        return list(findings)
    causes = [each.text for rule in _RULES for each in facts.measured(rule)]
    rules = {rule.__name__: "" for rule in _RULES if facts.measured(rule)}
    named = replace(
        first.with_seen(causes).with_fitting([*first.fitting, *([_CORRECT] if causes else [])]),
        rules={**first.rules, **rules},
        evidence=_with_parameters(first, facts),
    )
    return [named, *findings[1:]]


def _is_rejected(first: Finding, facts: SessionFacts) -> bool:
    """Whether the server rejected the request, or a message, as invalid."""
    response = facts.session.response
    if facts.session.accepted or response is None:
        is_name = bool(first.sentence) and " " not in first.sentence and not first.error_class
        return first.error_class in _CLASSES or (is_name and facts.is_failure_reported)
    return response.status in _STATUSES and first.error_class in ("", *_CLASSES)


def _with_parameters(first: Finding, facts: SessionFacts) -> list[Evidence]:
    """The evidence; the first line has the parameters of the URL where no reason is given."""
    is_known = facts.session.accepted and not first.id.startswith("server.")
    if " " in first.sentence.strip() or not first.evidence or is_known:
        return list(first.evidence)
    listed = [f"{name}={value}" for name, value in url_parameters(facts)][:_LISTED]
    line = first.evidence[0]
    if not listed or listed[0] in line.text:  # which may show the path with its query
        return list(first.evidence)
    text = f"{line.text}; the server says no more. The URL has: "
    text += quoted(", ".join(listed), _WIDTH)
    return [replace(line, text=text, detail=False), *first.evidence[1:]]


def _with_printed_values(findings: Sequence[Finding], facts: SessionFacts) -> list[Finding]:
    """The findings, the first one with the printed values of the URL if it was refused."""
    first, response = next(iter(findings), None), facts.session.response
    if first is None or first.severity != "error" or response is None or facts.session.accepted:
        return list(findings)
    if not 400 <= response.status < 500 or response.status in _OTHER_CAUSES:
        return list(findings)
    values = list(printed_values(facts))
    if not values:
        return list(findings)
    names = ", ".join(value.text for value in values[:2])
    title = first.title if names in first.title else f"{first.title} ({names})"
    known = {value.evidence.text.rpartition(": ")[0] for value in values}
    evidence = [each for each in first.evidence if each.text not in known]
    named = replace(
        first,
        title=title,
        evidence=[*(value.evidence for value in values), *evidence],
        quotes_traffic=True,
    )
    return [named, *findings[1:]]
