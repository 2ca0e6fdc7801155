"""Catalog files of a stranger: refused with one line a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.judge import run

HEAD = 'schema = 1\nprovider = "deepgram"\n'
CONDITION = """[[condition]]
id = "deepgram.listen.OWN"
apis = ["listen"]
severity = "error"
title = "t"
meaning = "m"
causes = ["c"]
remedies = ["r"]
retry = "never"
[condition.source]
document = "d"
[[condition.match]]
kind = "close"
KEY = VALUE
"""


def condition(key: str, value: str) -> str:
    return HEAD + CONDITION.replace("KEY", key).replace("VALUE", value)


FILES: dict[str, str | bytes] = {
    "nested arrays": HEAD + "x = " + "[" * 5000,
    "a key of a hundred thousand parts": HEAD + "a." * 100_000 + "b = 1",
    "such a key in a table": HEAD + "x = {" + "a." * 100_000 + "b = 1}",
    "a pattern that repeats what repeats": condition("reason", '"(a+)+b"'),
    "nested tables": HEAD + "x = " + "{a = " * 5000,
    "a number of 5000 digits": HEAD + "x = " + "9" * 5000,
    "a code of 4000 digits": condition("code", "9" * 4000),
    "a range of 5000 digits": condition("code", f'"{"9" * 5000}-{"9" * 5000}"'),
    "other digits": condition("code", '"١-٢"'),
    "not a number": condition("code", "nan"),
    "a date": condition("code", "1979-05-27"),
    "a repetition without end": condition("reason", '"a{99999999999999}"'),
    "nested groups": condition("reason", f'"{"(" * 3000}{")" * 3000}"'),
    "an unbounded look back": condition("reason", '"(?<=a+)"'),
    "control characters": HEAD + '"\\u001b[31m" = "\\u009b"',
    "not UTF-8": b"\xff\xfe\x00",
    "NUL": b"\0" * 100,
    "many mistakes": HEAD + "".join(f"k{n} = 1\n" for n in range(20_000)),
    "conditions of another kind": HEAD + "condition = [1, 2]",
    "apis that others name": HEAD + 'name = "x"\n[[api]]\nname = "other"\ntitle = "t"\n',
}


@pytest.mark.one_python
@pytest.mark.parametrize("name", FILES)
def test_catalog_check_arbitrary_file_is_refused_with_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = FILES[name]
    file = tmp_path / "own.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    checked = run(["catalog", "check", str(file)])
    assert checked.status == 2
    assert str(file) in checked.out + checked.err
    monkeypatch.setenv("WSPROXY_CATALOG", "")  # --catalog adds to it
    used = run(["catalog", "list", "--provider", "deepgram", "--catalog", str(file)])
    assert used.status == 2
    assert used.err.count("\n") == 1
