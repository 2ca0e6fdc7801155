"""Makes docs/wild.md: public bug reports, their true causes, and what wsproxy says of them.

python tools/wild.py > docs/wild.md
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1] / "tests"
for _folder in (_TESTS, _TESTS / "support", _TESTS / "wild"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

import earlier_reports  # noqa: E402
import own_settings  # noqa: E402, F401
from bug_report import Explanation, Report, explanation, judge  # noqa: E402
from reports import REPORTS, UNSOLVED  # noqa: E402

SEARCHED = "reports that were searched out"
REBUILT = "reports that were rebuilt before"
VERDICTS = ("right", "generic", "unknown", "wrong")
_LINE = 220  # characters of a text that comes from a trace

HEAD = """\
# Reports from the wild

This page shows what `wsproxy explain` says of failures that people reported in public. Each report
was rebuilt as a session with synthetic speech and synthetic keys, and only with what was on the
wire: address, headers, messages, their order and their times. For example, the session
`dg-keywords-nova-3` is an upgrade that Deepgram refuses with 400 because the URL contains
`keywords`.

A headline is the first screen of the output: outcome, title, meaning, first evidence, and the
causes that the session shows. It is:

- *right* if it names the true cause and states nothing false;
- *generic* if it does not name the cause;
- *unknown* if there is neither an error nor a warning nor a notice, and the outcome says that
  success is unproven, with the figures. A notice names what is lawful and surprises; the outcome of
  the session is good all the same;
- *wrong* if it states something false, such as a good outcome where nothing was found.

Each session has a near miss, which looks alike and has another cause or none. Its headline must not
name that cause.

In the groups below, what is unknown counted as wrong.

Two groups of sessions were judged before anything was changed for them. Of 59, 38 were right, 9
generic and 12 wrong. Of 61, 28 were right, 16 generic and 17 wrong.

A third group is about speech output and voice agents. Of 39 that were judged before anything was
changed for them, 17 were right, 6 generic and 16 wrong. Of 13 more that were judged after that, 9
were right and 4 wrong.

Later, 33 further reports of voice agents and speech output were judged before anything was changed
for them: 24 were right, 4 generic and 5 wrong. Of 14 more that were judged after that, chosen among
those without an error message, 6 were right and 8 wrong. Of 11 that were searched out after these
changes, 9 were right, 1 generic and 1 wrong. Of 8 about messages that services ignore, 3 were
right, 3 generic and 2 wrong.

Another group is about speech-to-text. Of 39, 15 were right, 12 generic and 12 wrong; of ten more
that were searched out after the changes, 5 were right, 2 generic and 3 wrong. One of them,
`dg-no-space`, was generic for long: a header without a space after the comma is legal, so that it
is named as a possible cause only.

A further group about speech-to-text has reports of the kinds that people write most. Of 31, 12 were
right, 12 generic and 7 wrong before anything was changed for them; of ten more that were searched
out after the changes, 8 were right, 1 generic and 1 wrong; of seven more after that, 5 were right
and 2 wrong.

A smaller group is about sessions of the main providers that fail without an error message. Of 11, 1
was right, 4 generic and 6 wrong before anything was changed for them. One of the six,
`az-header-in-each-chunk`, named its cause, and counted as wrong for its good outcome; as its words
are right, it counts as right now.

Five of all these are about what is lawful, or was asked for: `inworld-headers`,
`oai-greeting-in-text`, `gem-mime-without-rate`, `az-offset-from-zero` and `sm-end-forced`. They
were wrong until there were notices. No near miss has a notice.

Another group is about speech output and telephone calls without an error message, of providers in
the catalog and of others. Of 25, 4 were right, 2 generic and 19 wrong before anything was changed
for them. Of 12 that were searched out after these changes, 3 were right and 9 wrong; of three more
after that, all were wrong. Six are not named yet: the signs of five have a lawful use, and what
shows the cause of `freeswitch-other-message` is not in the session.

Speech output and telephone calls were tried again, with 11 reports without an error message and 4
with one. Of these 15, 4 were right and 11 wrong before anything was changed for them; of the 11, 1
was right. Two are not named: an app that keeps the tracks of `twilio-both-tracks` apart gets the
same messages, and nothing declares the rate of the audio of `own-closed-early`. Of 6 that were
searched out after the changes, 2 were right, 2 generic and 2 wrong; `asterisk-odd-frame` is not
named, as what is sent is lawful.

A group about speech-to-text has only sessions that fail without an error message: results or
events that never come, and words that come twice, late, in another language, or of mixed channels.
Of 16, 2 were right and 14 wrong before anything was changed for them; one of them is listed with
the voice agents, who found it too. Of 12 that were searched out after the changes, 4 were right, 2
generic and 6 wrong. Two of them are about what may be meant, and have a notice:
`oai-spanish-for-english` and `dg-cut-up`, whose audio was made fluent for it, as in the report.

Voice agents that fail without an error message were tried again, with reports that people write
often. Of 19, 2 were right, 1 generic and 16 wrong before anything was changed for them. Of 15 that
were searched out after these changes, 6 were right, 2 generic and 7 wrong; of 8 more after that, 5
were right and 3 wrong. Three sessions were made more like their reports later:
`gem-waits-for-the-user`, `gem-heard-in-hindi` and `oai-transcript-in-hindi`. Two are lawful, and
were wrong until there were notices for them: `oai-response-instructions` and
`oai-answers-in-spanish`.

The latest group about speech-to-text has 23 reports. Of 14 without an error message, 5 were right,
3 generic and 6 wrong before anything was changed for them; all 9 with one were right. Of 9 more
that were searched out after these changes, 4 were right and 5 wrong. Two are still wrong:
`gem-beginning-lost` and `coze-text-lags`, as the results state no places in the audio.

Voice agents were tried once more, with reports of most providers. Of 12 without an error message,
2 were right, 1 generic and 9 wrong before anything was changed for them; of 8 with an error or a
close, 7 were right and 1 generic. Three of the 12 are lawful, and have notices now; so has
`gw-not-created`, which counted as wrong for its good outcome, too: its answer had come. Of 8 more
without an error message that were searched out after these changes, 4 were right and 4 wrong. One
is still wrong: `oai-no-user-words` asks for no transcript, as many apps do.

The last group is of 37 reports of silent failures, chosen by kind: a list of the ways in which
speech apps fail without an error was made first. Of 12, 5 were right, 1 generic, 1 unknown and 5
wrong before anything was changed for them. Another 12 were held back until after these changes: 5
were right, 3 unknown and 4 wrong. Of 8 more that were searched out after that, 4 were right, 1
unknown and 3 wrong; of 5 more, 2 were right, 1 unknown and 2 wrong. Four of all these are not named
yet: the signs of `twilio-key-tones` and `cartesia-speaks-on` are lawful, `inworld-turn-ended-twice`
looks like words that come late, and `wlk-translation-stops` lacks a field that only its app knows
of.

`python tools/wild.py` generates this page from the sessions in `tests/wild/`. A test compares both.
"""


def main() -> None:
    print(document([*REPORTS, *UNSOLVED], earlier_reports.REPORTS), end="")


def document(reports: Iterable[Report], earlier: Iterable[Report]) -> str:
    """The document, as Markdown."""
    found = list(_explained(reports))
    before = list(_explained(earlier))
    lines = [
        HEAD,
        count(SEARCHED, [judge(*each).verdict for each in found]),
        count(REBUILT, [judge(*each).verdict for each in before]),
        "",
        "## Reports with their sources",
        "",
        "| session | report | it showed | true cause | wsproxy says | near miss |",
        "|---|---|---|---|---|---|",
        *(row(report, explained) for report, explained in found),
        "",
        "## Reports rebuilt before",
        "",
        "Their sources are not recorded.",
        "",
        "| session | true cause | wsproxy says |",
        "|---|---|---|",
        *(earlier_row(report, explained) for report, explained in before),
        "",
    ]
    return "\n".join(lines)


def _explained(reports: Iterable[Report]) -> Iterator[tuple[Report, Explanation]]:
    with tempfile.TemporaryDirectory() as folder:
        for report in reports:
            trace = report.session().write(Path(folder) / f"{report.name}.wstrace")
            yield report, explanation(trace)


def count(what: str, verdicts: Sequence[str]) -> str:
    """The line that counts the verdicts."""
    counts = ", ".join(f"{verdicts.count(each)} {each}" for each in VERDICTS)
    return f"- {len(verdicts)} {what}: {counts}."


def row(report: Report, explained: Explanation) -> str:
    """The row of a report that was searched out."""
    link = f"[{report.source}]({_address(report.source)})"
    said = _said(report, explained)
    source = f"{link}: {report.title}"
    name = f"`{report.name}` ({report.kind})"
    return _cells(name, source, report.showed, report.cause, said, report.near_differs)


def earlier_row(report: Report, explained: Explanation) -> str:
    """The row of a report whose source is not recorded."""
    return _cells(f"`{report.name}`", report.cause, _said(report, explained))


def _address(source: str) -> str:
    place, _, number = source.partition("#")
    if place in ("stackoverflow.com/questions", "community.openai.com/t"):
        return f"https://{place}/{number}"
    return f"https://github.com/{place}/issues/{number}"


def _said(report: Report, explained: Explanation) -> str:
    verdict = judge(report, explained).verdict
    remark = "" if verdict == "right" else f" ({verdict})"
    for finding in explained["findings"][:1]:
        evidence = [_short(each["text"]) for each in finding["evidence"][:1]]
        return ". ".join([f"**{finding['title']}**{remark}", *evidence])
    return _short(explained["outcome"]) + remark


def _short(text: str) -> str:
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


def _cells(*texts: str) -> str:
    escaped = (text.replace("|", r"\|").replace("<", "&lt;").replace("\n", " ") for text in texts)
    return f"| {' | '.join(escaped)} |"


if __name__ == "__main__":
    main()
