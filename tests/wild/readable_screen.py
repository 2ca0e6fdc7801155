"""What a reader in a hurry finds wrong on a screen of `wsproxy explain`, whatever the session."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_LINES = 34
_LABEL = re.compile(r"^(cause|evidence|causes|fixes|retry|also|confidence|support|hidden) ")
_ITEM = re.compile(r"^(?:\d\.|-) +")
_LASTING = {"credentials", "quota", "model", "parameter", "region", "format", "size", "request"}
_SHORT = 10  # characters of a figure that may be elsewhere by chance
_LONG = 40  # characters of a sentence that is not to be repeated
_ASKS_TO_READ = re.compile(r"(?i)\bread (?:the (?:body|reason(?! in)|message of)|dg-error)")
_EMPTY = re.compile(r"\b0\.0 s after the upgrade|\b1 frames\b|\b(\d+) to \1 ms")


def complaints(explained: Mapping[str, Any], shown: str) -> list[str]:
    """What is wrong with a screen.

    Args:
        explained: the same explanation as JSON.
    """
    lines = shown.splitlines()
    found = list(_of_texts(_prose(lines)))
    if len(lines) > MAX_LINES:
        found.append(f"{len(lines)} lines")
    found += _of_items(list(_items(lines)))
    for finding in explained["findings"][:1]:
        found += _of_finding(finding, lines, _prose(lines))
    return found


def _of_texts(prose: str) -> Iterator[str]:
    if _EMPTY.search(prose):
        yield f"a figure says nothing: {_EMPTY.search(prose)}"
    if _ASKS_TO_READ.search(prose):
        yield "it asks to read what it shows, or what there is not"
    if "retry Nothing" in prose:
        yield "nothing is wrong, and something is"


def _of_items(items: list[tuple[str, str]]) -> Iterator[str]:
    texts = [text for _, text in items]
    for label, text in items:
        if texts.count(text) > 1:
            yield f"twice: {text}"
        others = [other for name, other in items if other != text and name != label]
        figure = _figure(text)
        if label == "also" and len(figure) > _SHORT and any(figure in other for other in others):
            yield f"known already: {text}"


def _figure(text: str) -> str:
    return text.rpartition(": ")[2].rstrip("…")


def _of_finding(finding: Mapping[str, Any], lines: list[str], prose: str) -> Iterator[str]:
    sentence = " ".join(finding["sentence"].split())
    if len(sentence) >= _LONG and prose.count(sentence) > 2:
        yield "the server's sentence is repeated"
    retry = next((line for line in lines if line.startswith("retry")), "")
    if finding["retry"] == "fix-first" and "works" in retry:
        yield f"retry: {retry}"
    if finding["class"] in _LASTING and finding["retry"] not in ("fix-first", "no-error"):
        yield f"{finding['class']}: retry {finding['retry']}"
    if finding["seen"] and "seen here" in prose and re.search(r"(?m)^causes ", "\n".join(lines)):
        yield "causes without evidence beside one with evidence"
    if finding["seen"] and retry.endswith("A new session usually works."):
        yield "a new session has the cause that is seen, too"


def _prose(lines: list[str]) -> str:
    """All lines but the last frames, as one."""
    return " ".join(" ".join(line for line in lines if not line.startswith("#")).split())


def _items(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The items of the lists, each on one line, with their labels."""
    label, item = "", ""
    for line in lines:
        rest = line.strip()
        if found := _LABEL.match(line):
            if item:
                yield label, item
            label, item = found[1], ""
            rest = line[found.end() :].strip()
        elif not line.startswith(" " * 8):
            continue
        if _ITEM.match(rest):
            if item:
                yield label, item
            item = _ITEM.sub("", rest)
        elif item:
            item = f"{item} {rest}"
    if item:
        yield label, item
