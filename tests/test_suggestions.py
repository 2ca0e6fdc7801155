"""A typo gets the nearest word, in one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from commands import wsproxy
from wsproxy.cli.hints import message
from wsproxy.errors import InvalidValue, Setting, UsageError, did_you_mean, one_of


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recrod"], "unknown command 'recrod'; did you mean record?"),
        (["replay", "cleint"], "unknown command 'cleint'; did you mean client?"),
        (["catalog", "serch"], "unknown command 'serch'; did you mean search?"),
        (["addon", "pth"], "unknown command 'pth'; did you mean path?"),
        (["list", "--jsn"], "unknown option --jsn; did you mean --json?"),
        (["record", "--lisen", "1"], "unknown option --lisen; did you mean --listen?"),
        (["mutate", "{trace}", "--conditon", "x"], "did you mean --condition?"),
        (["simulate", "deepgram.listen.NET-001"], "did you mean deepgram.listen.NET-0001"),
        (["catalog", "show", "NET-00001"], "did you mean "),
        (["mutate", "{trace}", "--condition", "listen.NET-001"], "did you mean "),
        (["simulate", "--after", "silense"], "invalid --after value 'silense': expected open, "),
        (["simulate", "NET-0001", "--after", "silense"], "; did you mean silence?"),
        (["mutate", "{trace}", "--condition", "NET-0000", "--after", "opn"], "did you mean open?"),
        (["mutate", "{trace}", "--end", "rset"], "invalid --end value 'rset': expected eof, "),
        (["mutate", "{trace}", "--end", "rset"], "; did you mean reset?"),
        (["catalog", "list", "--provider", "deepgrm"], "unknown provider 'deepgrm'; did you mean"),
        (["completion", "bsh"], "'bsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_suggestions_typo_is_one_line(arguments: list[str], says: str, good_trace: Path) -> None:
    done = wsproxy(*(each.format(trace=good_trace) for each in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_suggestions_nothing_near_is_not_guessed() -> None:
    assert did_you_mean("xyz", ["record", "run"]) == ""
    assert "did you mean" not in wsproxy("xyzzy").stderr


def test_suggestions_unknown_condition_names_the_list() -> None:
    done = wsproxy("simulate", "qqqqqq")
    assert done.stderr == (
        "error: unknown condition 'qqqqqq'; `wsproxy catalog list` lists all of them\n"
    )


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), ("abc", "a, b or c")]
)
def test_one_of(words: list[str], text: str) -> None:
    assert one_of(words) == text


# -- errors of the libraries


@pytest.mark.parametrize(
    ("error", "neutral", "line"),
    [
        (
            InvalidValue("max_size", "x", "expected a size"),
            "invalid max_size value 'x': expected a size",
            "invalid --max-size value 'x': expected a size",
        ),
        (
            InvalidValue("auth", None, "expected USER:PASSWORD"),
            "invalid auth value: expected USER:PASSWORD",
            "invalid --auth value: expected USER:PASSWORD",
        ),
        (
            UsageError("x.wstrace already exists", Setting("force")),
            "x.wstrace already exists",
            "x.wstrace already exists; use --force to replace it",
        ),
        (
            UsageError("missing", Setting("headers", "A: Token ..."), Setting("query", "key=...")),
            "missing",
            "missing; give --header 'A: Token ...' and --query 'key=...'",
        ),
        (
            UsageError("a name \x1b[2J", Setting("of another version")),
            "a name \x1b[2J",
            "a name \\x1b[2J",
        ),
    ],
)
def test_hints_name_the_option_on_the_command_line_only(
    error: UsageError, neutral: str, line: str
) -> None:
    assert str(error) == neutral
    assert message(error) == line
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), message(again)) == (neutral, line)
