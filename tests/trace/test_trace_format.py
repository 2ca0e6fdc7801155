"""The trace format: stock tools, golden files of earlier versions, the specification."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from test_trace import SMALL_RECORDS
from traces import KINDS, SESSION, make_trace, read_trace
from wsproxy.catalog import CredentialPlaces
from wsproxy.redact import PLACEHOLDER, HeadRedactor
from wsproxy.session import Session
from wsproxy.trace import (
    ENDINGS,
    Start,
    TraceReader,
    reader,
    unpacker,
)
from wsproxy.trace.blocks import BLOCK_SIZE, MAX_BLOCK
from wsproxy.trace.records import _BY_KIND as CLASSES
from wsproxy.trace.records import _FIELDS as FIELDS
from wsproxy.trace.records import MAX_RECORD, VERSION, to_map
from wsproxy.wire.parser import MAX_PAYLOAD

# -- stock tools


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return make_trace(tmp_path / "t.wstrace", SMALL_RECORDS)


EXPECTED = [to_map(record) for record in SMALL_RECORDS]


@pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd program is not installed")
def test_format_zstd_and_msgpack_alone_read_every_record(sample: Path) -> None:
    plain = subprocess.run(["zstd", "-dc", sample], capture_output=True, check=True).stdout
    unpacker = msgpack.Unpacker()
    unpacker.feed(plain)
    assert [record for record in unpacker if record["kind"] != "sync"] == EXPECTED
    assert subprocess.run(["zstd", "-tq", sample], check=False).returncode == 0


def cache_folder() -> Path:
    given = os.environ.get("WSPROXY_TEST_CACHE")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "wsproxy-tests"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wsproxy-tests"


@pytest.fixture
def node_modules() -> Path:
    """A folder with @msgpack/msgpack, installed once."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    folder = cache_folder() / "node-msgpack-3"
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
        done = subprocess.run(
            [*command, "@msgpack/msgpack@3"],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        if done.returncode:
            pytest.skip(f"@msgpack/msgpack cannot be installed: {done.stderr.strip()[-200:]}")
        (folder / "ready").touch()
    return folder / "node_modules"


@pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd program is not installed")
def test_format_node_reads_every_record(sample: Path, node_modules: Path) -> None:
    plain = subprocess.run(["zstd", "-dc", sample], capture_output=True, check=True).stdout
    done = subprocess.run(
        ["node", Path(__file__).parents[1] / "golden" / "read.mjs", node_modules],
        input=plain,
        capture_output=True,
        check=True,
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r for r in records if r["kind"] != "sync"] == json.loads(
        json.dumps(EXPECTED, default=lambda data: {"hex": data.hex()})
    )


def test_session_read_of_trace_has_its_records(sample: Path) -> None:
    session = Session.read(sample)
    assert (session.id, session.frame_count, session.ending) == (SESSION, 4, "close")
    assert stat.S_ISREG(sample.stat().st_mode)


# -- golden files

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("v*/*.wstrace"))
RENAMED_KEYS = {"made_up": "synthetic"}  # the golden files have the old key, and keep it


def test_golden_files_have_every_kind() -> None:
    kinds = {record.kind for golden in GOLDEN for record in read_trace(golden)[0]}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_golden_files_are_read_unchanged(golden: Path) -> None:
    records, source = read_trace(golden)
    found = [
        {k: {"hex": v.hex()} if isinstance(v, bytes) else v for k, v in to_map(record).items()}
        for record in records
    ]
    expected = json.loads(golden.with_suffix(".json").read_text(encoding="utf-8"))
    assert found == [{RENAMED_KEYS.get(k, k): v for k, v in record.items()} for record in expected]
    assert source.losses == []
    assert source.ended == (golden.stem != "killed")


def test_golden_file_with_an_old_key_is_read_under_the_new_name() -> None:
    golden = next(path for path in GOLDEN if path.stem == "failed")
    assert '"made_up": true' in golden.with_suffix(".json").read_text(encoding="utf-8")
    start = read_trace(golden)[0][0]
    assert isinstance(start, Start)
    assert start.synthetic


# -- the specification

SPECIFICATION = (Path(__file__).parents[2] / "docs" / "trace-format.md").read_text("utf-8")
TYPE_NAMES = {"int": int, "text": str, "bytes": bytes, "bool": bool, "list": list}


def documented(kind: str) -> dict[str, tuple[str, str]]:
    """Keys of a record kind in the specification: (type, default)."""
    _, _, section = SPECIFICATION.partition(f"\n### `{kind}`\n")
    table = section.partition("|---|---|---|---|\n")[2].partition("\n\n")[0]
    found = {}
    for line in table.splitlines():
        names, type_name, default, _ = (cell.strip() for cell in line[1:].split("|", 3))
        for name in names.split(", "):
            found[name.strip("`")] = (type_name, default.strip("`"))
    return found


@pytest.mark.parametrize("kind", FIELDS)
def test_specification_has_each_key_with_type_and_default(kind: str) -> None:
    keys = documented(kind)
    assert set(keys) == {name for name, _, _ in FIELDS[kind]}
    for field in dataclasses.fields(CLASSES[kind]):
        type_name, default = keys[field.name]
        _, accepts, required = next(f for f in FIELDS[kind] if f[0] == field.name)
        assert TYPE_NAMES[type_name] in accepts
        assert (default == "required") == required
        if required:
            continue
        made = field.default_factory
        value = field.default if made is dataclasses.MISSING else made()
        if default == "empty":
            assert value in ("", [])
        else:
            assert value == {"none": None, "true": True, "false": False}.get(
                default, int(default) if default.isdigit() else default
            )


def test_specification_has_each_kind_ending_and_limit() -> None:
    assert set(re.findall(r"\n### `(\w+)`\n", SPECIFICATION)) == set(CLASSES)
    endings = SPECIFICATION.partition("| ending | |\n|---|---|\n")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", endings, re.MULTILINE)) == ENDINGS
    for limit in (
        f"{MAX_BLOCK >> 20} MiB",
        f"{MAX_PAYLOAD >> 20} MiB",
        f"{MAX_RECORD >> 20} MiB",
        f"{unpacker.MAX_LIST:,}",
        f"{unpacker.MAX_ITEMS:,}",
        f"{reader.MAX_SYNC} bytes",
        f"{BLOCK_SIZE >> 10} KiB",
        f"version {VERSION}",
    ):
        assert limit in SPECIFICATION


def test_specification_has_each_redaction_key() -> None:
    redactor = HeadRedactor(CredentialPlaces(), bytes(32), [("acme", re.compile("^key"))])
    [taken] = redactor([("Authorization", 'Token " keyword"')]).entries
    section = SPECIFICATION.partition("## Credentials")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [*taken, "why", "more", "part"]
    assert f"`{PLACEHOLDER}`" in section


# -- the end record


def test_reader_last_is_end_record_and_keeps_position(tmp_path: Path) -> None:
    path = tmp_path / "t.wstrace"
    make_trace(path, SMALL_RECORDS)
    with TraceReader(path) as source:
        assert source.last() == SMALL_RECORDS[-1]
        assert not source.ended
        assert list(source) == SMALL_RECORDS
        assert source.losses == []
        assert source.last() == SMALL_RECORDS[-1]


def test_reader_last_without_seek_table_or_end_is_none(tmp_path: Path) -> None:
    path = tmp_path / "t.wstrace"
    make_trace(path, SMALL_RECORDS, finish=False)
    with TraceReader(path) as source:
        assert source.last() is None
    make_trace(path, SMALL_RECORDS[:-1])
    with TraceReader(path) as source:
        assert source.last() is None
