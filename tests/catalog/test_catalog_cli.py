"""`wsproxy catalog`, and catalog files of the user's own, as a user would meet them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import commands
from each_case import each_case
from traces import make_trace
from wsproxy.catalog import Condition, load
from wsproxy.catalog.checker import mistakes
from wsproxy.catalog.loader import given_files, using
from wsproxy.diagnose import CHECKS, RULES
from wsproxy.trace import End, FrameRecord, Record, Request, Response, Start

SHIPPED = sorted((Path(__file__).parents[2] / "wsproxy" / "catalog").glob("*.toml"))

MINE = """\
schema = 1
provider = "deepgram"

[[condition]]
id = "deepgram.listen.NET-0001"
apis = ["listen"]
severity = "error"
title = "The headset fell asleep again"
meaning = "Ours does that."
causes = ["The headset", { text = "No audio", when = "no_audio" }]
remedies = ["Wake it up"]
retry = "yes"
source = { document = "Our wiki" }
checks = ["who_ended"]
[condition.match]
kind = "close"
code = 1011
reason = "NET-0001"
[[condition.example]]
matches = true
close = { code = 1011, reason = "NET-0001" }
[[condition.example]]
matches = false
close = { code = 1011, reason = "NET-0000" }
"""


def wsproxy(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    variables: dict[str, Any] = {"COLUMNS": "100", **environment}
    return commands.wsproxy(*arguments, **variables)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A session that ended with NET-0001."""
    records: list[Record] = [
        Start(0, 1, "0123456789abcdef", 10**18, provider="deepgram", api="listen"),
        Request(0, "GET", "wss", "api.deepgram.com", 443, "/v1/listen"),
        Response(0, 101),
        FrameRecord(10**9, False, 8, (1011).to_bytes(2, "big") + b"NET-0001"),
        End(10**9, "close", "server", 1011, "NET-0001"),
    ]
    return make_trace(tmp_path / "t.wstrace", records)


# -- list, show, search


def test_catalog_list_shows_conditions() -> None:
    done = wsproxy("catalog", "list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        condition.id for condition in load().conditions
    ]


def test_catalog_list_of_provider_as_json_is_an_array() -> None:
    found = json.loads(wsproxy("catalog", "list", "--provider", "soniox", "--json").stdout)
    assert {entry["provider"] for entry in found} == {"soniox"}
    assert all(entry["source"]["document"] and entry["matches"] for entry in found)


def test_catalog_list_of_unknown_provider_is_an_error() -> None:
    done = wsproxy("catalog", "list", "--provider", "deepgrm")
    assert done.returncode == 2
    assert "unknown provider 'deepgrm'" in done.stderr
    assert "deepgram" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_catalog_show_has_all_texts() -> None:
    shown = wsproxy("catalog", "show", "3007-rate").stdout
    for part in (
        "assemblyai.streaming.3007-rate",
        "a Close frame, code 3007",
        "wsproxy simulate assemblyai.streaming.3007-rate",
        "The documentation contradicts itself",
    ):
        assert part in " ".join(shown.split())


@pytest.mark.one_python
@each_case(load().conditions, lambda condition: condition.id)
def test_show_every_condition_succeeds(condition: Condition) -> None:
    from rich.console import Console

    from wsproxy.report import catalog as report

    json.dumps(report.as_json(condition))
    console = Console(width=100)
    with console.capture() as captured:
        console.print(report.shown(condition))
    assert condition.id in captured.get()
    # An address may be longer than the room beside it.
    assert condition.source.url in "".join(captured.get().split())


def test_show_unknown_id_names_similar_ones() -> None:
    done = wsproxy("catalog", "show", "NET-00001")
    assert done.returncode == 2
    assert "unknown condition 'NET-00001'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words, first",
    [
        (["net-0001"], "deepgram.listen.NET-0001"),
        (["3007", "rate"], "assemblyai.streaming.3007-rate"),
        (["chunk duration"], "assemblyai.streaming.3007-chunk-duration"),
        (["INVALID_AUTH"], "deepgram.upgrade.INVALID_AUTH"),
        (["gladia", "4403"], "gladia.live.4403"),
        (["endianness"], "traffic.audio.wrong-endianness"),
    ],
)
def test_catalog_search_finds_conditions(words: list[str], first: str) -> None:
    done = wsproxy("catalog", "search", *words, "--json")
    assert first in [entry["id"] for entry in json.loads(done.stdout)][:3]


def test_search_without_result_is_reported() -> None:
    done = wsproxy("catalog", "search", "flux capacitor")
    assert done.returncode == 1
    assert done.stderr == "no condition matches 'flux capacitor'\n"
    assert wsproxy("catalog", "search", "flux capacitor", "--json").stdout == "[]\n"


# -- check


@pytest.mark.sweep(keep=10)
@pytest.mark.one_python
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_check_shipped_file_has_no_mistakes(path: Path) -> None:
    found, _ = mistakes(path, CHECKS, RULES)
    assert [str(mistake) for mistake in found] == []


def test_check_valid_file_has_no_mistakes(mine: Path) -> None:
    done = wsproxy("catalog", "check", mine)
    assert (done.returncode, done.stdout) == (0, f"{mine}: 1 condition, no mistakes\n")


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_check_names_every_mistake_with_its_line(tmp_path: Path) -> None:
    second = MINE[MINE.index("[[condition]]") :].replace("NET-0001", "NET-1111")
    bad = MINE.replace('severity = "error"', 'severity = "bad"')
    bad = bad.replace('retry = "yes"', 'retry = "perhaps"\nrety = 1')
    bad += second.replace('code = 1011\nreason = "NET-1111"', 'code = "x"\nreason = "(NET-1111"', 1)
    path = tmp_path / "bad.toml"
    path.write_text(bad)
    done = wsproxy("catalog", "check", path)
    assert done.returncode == 2
    found = {line.split(": ", 2)[1]: int(line.split(":")[1]) for line in done.stdout.splitlines()}
    assert found == {
        "condition[1].severity": line_of(bad, '"bad"'),
        "condition[1].retry": line_of(bad, "perhaps"),
        "condition[1].rety": line_of(bad, "rety = 1"),
        "condition[2].match[1].code": line_of(bad, 'code = "x"'),
        "condition[2].match[1].reason": line_of(bad, "(NET-1111"),
    }


@pytest.mark.parametrize(
    "old, new, says, part",
    [
        ("schema = 1", "schema = 9", "schema: is 9", "schema = 9"),
        ('"deepgram"\n', '"nobody"\n', "'nobody' is not in the catalog", ""),
        ('checks = ["who_ended"]', 'checks = ["who"]', "there is no check 'who'", '["who"]'),
        ('when = "no_audio"', 'when = "never"', "there is no rule 'never'", "never"),
        ("matches = false", "matches = true", "one must match and one must not", "[[condition]]"),
        (
            'close = { code = 1011, reason = "NET-0000" }',
            'close = { code = 1011, reason = "NET-0001" }',
            "condition[1].example[2]: should not match, and does",
            "matches = false",
        ),
        (
            'close = { code = 1011, reason = "NET-0001" }',
            'close = { code = 1011, reason = "NET-0002" }',
            "condition[1].example[1]: should match, and rfc6455.close.1011 does",
            "matches = true",
        ),
        ("[[condition]]", "[condition]", "is not an array of tables", "[condition]"),
        ("schema = 1", "schema = = 1", "Invalid value (at line 1", ""),
    ],
)
def test_check_names_a_mistake(
    old: str, new: str, says: str, part: str, mine: Path, tmp_path: Path
) -> None:
    bad = MINE.replace(old, new, 1)
    mine.write_text(bad)
    found, _ = mistakes(mine, CHECKS, RULES)
    assert says in " ".join(map(str, found))
    if part:
        offset = part == "matches = true" or part == "matches = false"
        assert found[0].line == line_of(bad, part) - offset


def test_check_missing_or_binary_file_is_an_error(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"name = '\xe9'")
    for path in (tmp_path / "absent.toml", tmp_path, latin):
        done = wsproxy("catalog", "check", path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {path}")
        assert len(done.stderr.splitlines()) == 1


def test_check_example_of_the_docs_has_no_mistakes(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
    path = tmp_path / "docs.toml"
    path.write_text(
        docs.partition('```toml\nschema = 1\nprovider = "deepgram"')[2].partition("```")[0]
    )
    path.write_text('schema = 1\nprovider = "deepgram"\n' + path.read_text())
    assert mistakes(path, CHECKS, RULES) == ([], 1)


# -- files of one's own


def explained(trace: Path, *arguments: object, **environment: str) -> str:
    done = wsproxy("explain", trace, "--json", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    title = json.loads(done.stdout)["findings"][0]["title"]
    assert isinstance(title, str)
    return title


def test_catalog_option_overrides_the_shipped_catalog(mine: Path, trace: Path) -> None:
    assert explained(trace) == "No audio reached Deepgram in time"
    assert explained(trace, "--catalog", mine) == "The headset fell asleep again"


def test_catalog_using_is_for_the_body_of_the_with(mine: Path, tmp_path: Path) -> None:
    with using([mine]), pytest.raises(ZeroDivisionError), using([tmp_path / "absent.toml"]):
        assert given_files() == (mine, tmp_path / "absent.toml")
        raise ZeroDivisionError
    assert given_files() == ()
    with using([mine]):
        assert load().condition("deepgram.listen.NET-0001").title == "The headset fell asleep again"
    assert load().condition("deepgram.listen.NET-0001").title != "The headset fell asleep again"


def test_config_folder_overrides_the_shipped_catalog(
    mine: Path, trace: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "wsproxy" / "catalog"
    folder.mkdir(parents=True)
    mine.rename(folder / "mine.toml")
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert explained(trace, **environment) == "The headset fell asleep again"


def test_catalog_variable_names_files_and_folders(mine: Path, trace: Path, tmp_path: Path) -> None:
    for place in (mine, tmp_path):
        assert explained(trace, WSPROXY_CATALOG=str(place)) == "The headset fell asleep again"


def test_catalog_option_adds_a_provider(tmp_path: Path) -> None:
    own = tmp_path / "acme.toml"
    head = (
        'schema = 1\nprovider = "acme"\nname = "Acme"\n[recognize]\nhosts = ["^acme[.]example$"]\n'
    )
    head += '[[api]]\nname = "listen"\ntitle = "Acme listen"\npaths = ["^/listen$"]\n'
    own.write_text(head + MINE[MINE.index("[[condition]]") :].replace("deepgram.", "acme."))
    assert wsproxy("catalog", "check", own).returncode == 0
    done = wsproxy("catalog", "list", "--provider", "acme", "--catalog", own)
    assert done.stdout.split()[0] == "acme.listen.NET-0001"


@pytest.mark.parametrize("command", [["explain"], ["catalog", "list"], ["simulate"], ["record"]])
def test_catalog_option_mistake_is_one_line(command: list[str], mine: Path, trace: Path) -> None:
    mine.write_text(MINE.replace('retry = "yes"', 'retry = "no"'))
    arguments = [trace] if command == ["explain"] else []
    done = wsproxy(*command, *arguments, "--catalog", mine)
    assert done.returncode == 2
    assert "condition[1].retry: 'no' is not one of" in done.stderr
    assert "wsproxy catalog check" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_catalog_option_missing_file_is_one_line(trace: Path) -> None:
    done = wsproxy("explain", trace, "--catalog", "absent.toml")
    assert done.returncode == 2
    assert "absent.toml" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["explain"], ["catalog", "list"], ["simulate"]])
def test_catalog_variable_that_names_no_file_is_one_line(
    command: list[str], trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing.toml"
    monkeypatch.setenv("WSPROXY_CATALOG", str(missing))
    done = wsproxy(*command, *([trace] if command == ["explain"] else []))
    assert done.stderr == (
        f"error: cannot read the catalog file {missing}: No such file or directory "
        "(WSPROXY_CATALOG names it)\n"
    )
    assert (done.returncode, done.stdout) == (2, "")
