"""The catalog's files, their loading, and what they cover."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from each_case import each_case
from wsproxy.catalog import Catalog, Condition, load, read_file
from wsproxy.catalog.loader import CatalogFile
from wsproxy.diagnose import CHECKS, RULES
from wsproxy.errors import CatalogError, UnknownCondition

HERE = Path(__file__).parents[1]
COVERAGE = json.loads((HERE / "data" / "coverage.json").read_text())
DOCS = HERE.parent / "docs"
TOOLS = HERE.parent / "tools"
BEYOND = HERE.parents[1] / "shared" / "facts" / "beyond.json"
FACTS = HERE.parents[1] / "shared" / "facts" / "conditions.json"
FILE = """
schema = 1
provider = "acme"
name = "Acme"
[recognize]
hosts = ['^speech[.]acme[.]example$']
[[api]]
name = "listen"
title = "Acme listen"
paths = ['^/listen$']
[[condition]]
id = "acme.listen.4321"
apis = ["listen"]
severity = "error"
title = "It failed"
meaning = "It did."
causes = ["a"]
remedies = ["b"]
retry = "yes"
source = { document = "Acme: errors" }
[condition.match]
kind = "close"
code = 4321
[[condition.example]]
matches = true
close = { code = 4321 }
[[condition.example]]
matches = false
close = { code = 4320 }
"""


def loaded(text: str) -> Catalog:
    return Catalog([CatalogFile("acme.toml", text)])


# -- what is in it


def test_catalog_files_are_all_read_and_ids_are_unique() -> None:
    catalog = load()
    names = [condition.id.lower() for condition in catalog.conditions]
    assert len(names) == len(set(names)) > 100
    assert {p.id for p in catalog.providers} >= {
        *("deepgram", "assemblyai", "openai", "elevenlabs", "speechmatics", "gladia"),
        *("soniox", "revai", "gemini", "azure_speech", "aws_transcribe", "cartesia"),
        *("rime", "hume", "rfc6455"),
    }


@pytest.mark.one_python
@each_case(load().conditions, lambda condition: condition.id)
def test_conditions_have_help_texts(condition: Condition) -> None:
    assert condition.title
    assert condition.meaning.endswith(".")
    assert condition.causes
    assert condition.remedies
    rules = {match.rule for match in condition.matches if match.kind == "measured"}
    assert condition.checks or rules
    assert set(condition.checks) <= set(CHECKS)
    assert rules <= set(RULES)
    assert {item.when for item in (*condition.causes, *condition.remedies)} <= {"", *RULES}
    for text in (condition.title, *condition.causes, *condition.remedies):
        assert not str(text).endswith(".")


@pytest.mark.parametrize("part", ["conditions", "beyond"])
def test_covered_conditions_exist(part: str) -> None:
    for ids in COVERAGE[part].values():
        assert ids
        for name in ids:
            assert load().condition(name).id == name


def test_conditions_cover_all_94_documented_ones() -> None:
    assert len(COVERAGE["conditions"]) + len(COVERAGE["request_ids"]) == 94
    deepgram = load().provider("deepgram")
    assert deepgram is not None
    assert set(COVERAGE["request_ids"].values()) <= set(deepgram.request_ids.headers)


def test_conditions_copy_no_sentence_of_the_source_documents() -> None:
    """Eight words in a row are a sentence's worth."""
    sources = sorted((HERE.parents[1] / "shared" / "sources").glob("*.txt"))
    if not sources:
        pytest.skip("the source documents are not beside this checkout")
    written = {row for path in sources for row in _rows(path.read_text())}
    for condition in load().conditions:
        texts = (condition.title, condition.meaning, condition.retry_note, condition.disagreement)
        for text in (*texts, *map(str, condition.causes), *map(str, condition.remedies)):
            assert not set(_rows(text)) & written, f"{condition.id}: {text}"


def _rows(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    return [tuple(words[at : at + 8]) for at in range(len(words) - 7)]


@pytest.fixture
def facts() -> list[dict[str, Any]]:
    if not FACTS.is_file():
        pytest.skip("the notes on the source documents are not beside this checkout")
    entries: list[dict[str, Any]] = json.loads(FACTS.read_text())["entries"]
    return entries


def test_conditions_cover_every_fact_of_the_source_documents(facts: list[dict[str, Any]]) -> None:
    known = {*COVERAGE["conditions"], *COVERAGE["request_ids"]}
    for fact in facts:
        assert COVERAGE["same_as"].get(fact["id"], fact["id"]) in known


def test_conditions_cover_facts_of_other_sources() -> None:
    if not BEYOND.is_file():
        pytest.skip("the notes on other providers are not beside this checkout")
    for fact in json.loads(BEYOND.read_text())["entries"]:
        ids = COVERAGE["beyond"].get(fact["id"])
        assert ids or fact["id"] in COVERAGE["not_in_traffic"]
        # What is not sure says so, where it does not rest on something else as well.
        if ids and fact["confidence"] != "high" and len(ids) == 1 and _only(ids[0], fact["id"]):
            assert load().condition(ids[0]).confidence == fact["confidence"], fact["id"]


def _only(name: str, fact: str) -> bool:
    """Whether a condition rests on this fact alone."""
    others = [*COVERAGE["beyond"].items(), *COVERAGE["conditions"].items()]
    generic = name.startswith(("traffic.", "rfc6455."))
    return not generic and not any(name in ids for key, ids in others if key != fact)


def test_docs_table_is_generated_from_the_catalog() -> None:
    made = runpy.run_path(str(TOOLS / "coverage.py"))["table"](COVERAGE, load())
    assert made == (DOCS / "coverage.md").read_text()


def test_examples_agree_with_the_source_documents(facts: list[dict[str, Any]]) -> None:
    for fact in facts:
        ids = COVERAGE["conditions"].get(fact["id"], [])
        if fact["kind"] == "ws_close":
            assert any(_as_close(load().condition(name), fact) for name in ids), fact["id"]
        elif fact["kind"] == "http_status" and isinstance(fact["code"], int) and ids:
            assert any(_as_refusal(load().condition(name), fact) for name in ids), fact["id"]


def _as_close(condition: Condition, fact: dict[str, Any]) -> bool:
    return any(
        example.matches
        and example.close is not None
        and fact["code"] in ("any", example.close.code)
        and re.search(fact["reason_regex"], example.close.reason) is not None
        for example in condition.examples
    )


def _as_refusal(condition: Condition, fact: dict[str, Any]) -> bool:
    body = fact["body"] or {}
    wanted = [body.get("err_code", ""), body.get("err_msg_regex", "")]
    return any(
        example.matches
        and example.refused is not None
        and example.refused.status == fact["code"]
        and all(
            re.search(text, f"{example.refused.headers} {example.refused.body}") for text in wanted
        )
        for example in condition.examples
    )


# -- asking for a condition


@pytest.mark.parametrize(
    "name, found",
    [
        ("deepgram.listen.NET-0001", "deepgram.listen.NET-0001"),
        ("DEEPGRAM.listen.net-0001", "deepgram.listen.NET-0001"),
        ("speak.NET-0001", "deepgram.speak.NET-0001"),
        ("DATA-0001", "deepgram.speak.DATA-0001"),
        (" 3007-rate ", "assemblyai.streaming.3007-rate"),
        ("close.1011", "rfc6455.close.1011"),
    ],
)
def test_condition_id_or_ending_is_found(name: str, found: str) -> None:
    assert load().condition(name).id == found


def test_ambiguous_ending_names_all() -> None:
    with pytest.raises(UnknownCondition, match=r"listen\.NET-0001.*speak\.NET-0001"):
        load().condition("NET-0001")


@pytest.mark.parametrize(
    "name, near",
    [("deepgram.listen.NET-0009", "deepgram.listen.NET-000"), ("DATA0001", "speak.DATA-0001")],
)
def test_unknown_condition_names_near_ones(name: str, near: str) -> None:
    with pytest.raises(UnknownCondition) as caught:
        load().condition(name)
    assert name in str(caught.value)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "quite something else"])
def test_unknown_condition_without_near_ones(name: str) -> None:
    with pytest.raises(UnknownCondition):
        load().condition(name)


# -- recognizing


@pytest.mark.parametrize(
    "host, path, provider, api",
    [
        ("api.deepgram.com", "/v1/listen?model=nova-3", "deepgram", "listen"),
        ("API.Deepgram.com.:443", "/v1/speak", "deepgram", "speak"),
        ("api.eu.deepgram.com", "/v2/listen", "deepgram", "listen-v2"),
        ("agent.deepgram.com", "/v1/agent/converse", "deepgram", "agent"),
        ("api.deepgram.com", "/v1/projects", "deepgram", "rest"),
        ("api.deepgram.com", "/v9/anything", "deepgram", None),
        ("notdeepgram.com", "/", None, None),
        ("api.deepgram.com.evil.example", "/", None, None),
        ("127.0.0.1:8080", "/v1/listen", "deepgram", "listen"),
        ("127.0.0.1", "/v3/ws?sample_rate=16000", "assemblyai", "streaming"),
        ("streaming.eu.assemblyai.com", "/v3/ws", "assemblyai", "streaming"),
        ("api.assemblyai.com", "/v2/realtime/ws", "assemblyai", "realtime-v2"),
        ("agents.assemblyai.com", "/v1/ws", "assemblyai", "agent"),
        ("streaming.assemblyai.com", "/v1/ws", "assemblyai", None),
        ("api.openai.com", "/v1/realtime?model=gpt-realtime", "openai", "realtime"),
        ("me.openai.azure.com", "/openai/realtime", "openai", "realtime"),
        ("me.cognitiveservices.azure.com", "/openai/v1/realtime", "openai", "realtime"),
        (
            "me.cognitiveservices.azure.com",
            "/stt/speech/universal/v2",
            "azure_speech",
            "stt",
        ),
        (
            "westus.stt.speech.microsoft.com",
            "/speech/recognition/conversation/cognitiveservices/v1",
            "azure_speech",
            "stt",
        ),
        ("api.elevenlabs.io", "/v1/text-to-speech/abc/stream-input", "elevenlabs", "tts"),
        ("api.us.elevenlabs.io", "/v1/speech-to-text/realtime", "elevenlabs", "stt"),
        ("eu.rt.speechmatics.com", "/v2/en", "speechmatics", "rt"),
        ("127.0.0.1", "/v2/en", None, None),
        ("api.gladia.io", "/v2/live?token=x", "gladia", "live"),
        ("stt-rt.soniox.com", "/transcribe-websocket", "soniox", "stt"),
        ("api.rev.ai", "/speechtotext/v1/stream", "revai", "stream"),
        (
            "generativelanguage.googleapis.com",
            "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
            "gemini",
            "live",
        ),
        (
            "transcribestreaming.us-east-1.amazonaws.com:8443",
            "/stream-transcription-websocket",
            "aws_transcribe",
            "stream",
        ),
        ("api.cartesia.ai", "/stt/websocket", "cartesia", "stt"),
        ("users.rime.ai", "/ws2", "rime", "tts"),
        ("api.hume.ai", "/v0/evi/chat", "hume", "evi"),
        (
            "api.us-south.speech-to-text.watson.cloud.ibm.com",
            "/instances/1/v1/recognize",
            "ibm",
            "stt",
        ),
        ("stream.watsonplatform.net", "/speech-to-text/api/v1/recognize", "ibm", "stt"),
        ("api.smallest.ai", "/waves/v1/pulse/get_text", "smallest", "pulse"),
        ("waves-api.smallest.ai", "/api/v1/lightning/get_text", "smallest", "pulse"),
        ("example.com", "/chat", None, None),
        ("", "", None, None),
    ],
)
def test_catalog_recognize_host_and_path_has_provider_and_api(
    host: str, path: str, provider: str | None, api: str | None
) -> None:
    found = load().recognize(host, path)
    assert (found[0] and found[0].id, found[1] and found[1].name) == (provider, api)


def test_catalog_credentials_of_all_providers_are_known() -> None:
    credentials = load().credentials
    assert {"authorization", "xi-api-key", "api-key", "x-goog-api-key", "x-api-key"} <= {
        *credentials.headers
    }
    assert {"token", "access_token", "api_key", "key", "jwt", "x-amz-signature"} <= {
        *credentials.query
    }
    assert {"token", "bearer"} <= {*credentials.subprotocols}
    assert "openai-insecure-api-key." in credentials.subprotocol_prefixes
    assert {"api_key", "xi-api-key", "xi_api_key", "authorization"} <= {*credentials.message_fields}
    every = (*credentials.headers, *credentials.query, *credentials.message_fields)
    assert all(name == name.lower() for name in every)


# -- a file of one's own, and its mistakes


def test_user_file_adds_a_condition(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(FILE)
    catalog = load(path)
    assert catalog.condition("acme.listen.4321").title == "It failed"
    provider, api = catalog.recognize("speech.acme.example", "/listen")
    assert provider is not None and provider.file == path
    assert api is not None and api.name == "listen"


def test_load_old_spelling_of_recognize_is_read() -> None:
    catalog = loaded(FILE.replace("[recognize]", "[recognise]"))
    provider, _ = catalog.recognize("speech.acme.example", "/listen")
    assert provider is not None


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("[recognize]", "[recognise]\nhosts = []\n[recognize]", "recognise: is not a key"),
        ("schema = 1", "schema = 2", "schema: is 2"),
        ("schema = 1", "schema = true", "schema: is not a whole number"),
        ('name = "Acme"', "name = 5", "name: is not a string"),
        ('name = "Acme"\n', "", "name: is missing"),
        ('provider = "acme"', 'provider = "Ac me"', "provider: 'Ac me'"),
        ("hosts = ['", "hots = ['", "recognize.hots: is not a key"),
        ("'^/listen$'", "'(/listen'", "api[1].paths: '(/listen' is not a regular expression"),
        ('title = "Acme listen"\n', "", "api[1].title: is missing"),
        (
            "paths = ['^/listen$']",
            "paths = ['^/listen$']\n[api.audio]\nfrom = 'client'\ncarrier = 'binary'\nrates = [0]",
            "api[1].audio.rates: is not a list of positive whole numbers",
        ),
        (
            "paths = ['^/listen$']",
            "paths = ['^/listen$']\n[api.documented]\nquery = [1]",
            "api[1].documented.query: is not a list of strings",
        ),
        (
            "paths = ['^/listen$']",
            "paths = ['^/listen$']\n[[api.parameter]]\nlest = 1",
            "api[1].parameter[1].name: is missing",
        ),
        (
            "paths = ['^/listen$']",
            "paths = ['^/listen$']\n[[api.promise]]\nwhat = 'words'",
            "api[1].promise[1]: needs messages, fields or texts",
        ),
        ('severity = "error"', 'severity = "bad"', "condition[1].severity: 'bad' is not one of"),
        ('retry = "yes"', 'retry = "sure"', "condition[1].retry: 'sure' is not one of"),
        ('apis = ["listen"]', 'apis = ["speak"]', "condition[1].apis: acme has no API 'speak'"),
        ("acme.listen.4321", "other.listen.4321", "condition[1].id"),
        ("acme.listen.4321", "acme.4321", "condition[1].id"),
        ('causes = ["a"]', 'causes = ["a", 1]', "condition[1].causes[2]: is not a table"),
        ('causes = ["a"]', "causes = 1", "condition[1].causes: is not a list"),
        ('causes = ["a"]\n', "", "condition[1].causes: is missing"),
        ('source = { document = "Acme: errors" }\n', "", "condition[1].source: is missing"),
        ('document = "Acme: errors"', 'name = "x"', "condition[1].source.document: is missing"),
        ('kind = "close"', 'kind = "clse"', "condition[1].match[1].kind: 'clse' is not one of"),
        ("code = 4321\n", "", "condition[1].match[1]: says nothing to match"),
        ("code = 4321\n", "code = 'x'\n", "condition[1].match[1].code: 'x' is neither"),
        ("code = 4321\n", "status = 400\n", "condition[1].match[1]"),
        ("matches = true", "matches = false", "condition[1].example: one must match"),
        ("{ code = 4321 }", "{ kode = 4321 }", "condition[1].example[1].close.kode: is not a key"),
        ("close = { code = 4320 }", "", "condition[1].example[2]: shows nothing"),
        ("[condition.match]", "[condition.simulate]\n[condition.match]", "needs one of"),
        ('retry = "yes"', 'retry = "yes"\nrety = 1', "condition[1].rety: is not a key"),
        ("schema = 1", "schema = = 1", "line 2"),
        ("code = 4321\n", "code = = 4321\n", "line 23"),
    ],
)
def test_mistake_names_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in FILE
    path = tmp_path / "acme.toml"
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(CatalogError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_provider_behind_the_conditions_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(FILE + "\n[credentials]\nheaders = ['x']\n")
    with pytest.raises(CatalogError, match="credentials"):
        load(path)


def test_later_file_adds_and_replaces_conditions(tmp_path: Path) -> None:
    condition = FILE[FILE.index("[[condition]]") :]
    own = tmp_path / "own.toml"
    head = 'schema = 1\nprovider = "acme"\n'
    added = condition.replace("4321", "4322").replace("4320", "4321")
    own.write_text(head + condition.replace('severity = "error"', 'severity = "info"') + added)
    catalog = Catalog([CatalogFile("acme.toml", FILE), read_file(own)])
    assert [(c.id, c.severity, c.order) for c in catalog.conditions] == [
        ("acme.listen.4321", "info", 0),
        ("acme.listen.4322", "error", 1),
    ]
    assert catalog.provider("acme") is not None


def test_later_file_replaces_the_provider() -> None:
    other = FILE[: FILE.index("[[condition]]")].replace('"Acme"', '"Acme, here"')
    catalog = Catalog([CatalogFile("acme.toml", FILE), CatalogFile("own.toml", other)])
    assert [p.name for p in catalog.providers] == ["Acme, here"]
    assert len(catalog.conditions) == 1


def test_conditions_of_undescribed_provider_are_a_mistake() -> None:
    text = 'schema = 1\nprovider = "nobody"\n'
    with pytest.raises(CatalogError, match=r"own\.toml: provider: 'nobody' is not in the catalog"):
        Catalog([CatalogFile("own.toml", text)])


def test_duplicate_id_is_a_mistake() -> None:
    condition = FILE[FILE.index("[[condition]]") :]
    with pytest.raises(CatalogError, match=r"acme\.listen\.4321 is defined twice"):
        _ = loaded(FILE + condition).conditions


def test_read_file_missing_or_not_utf8_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"absent\.toml"):
        read_file(tmp_path / "absent.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b"name = '\xe9'")
    with pytest.raises(CatalogError, match=r"latin\.toml"):
        read_file(path)


def test_load_reads_no_conditions() -> None:
    catalog = loaded(FILE.replace('severity = "error"', 'severity = "bad"'))
    assert catalog.recognize("speech.acme.example", "/listen")[0] is not None
    with pytest.raises(CatalogError):
        _ = catalog.conditions


@pytest.mark.parametrize("key", ["sent", "said"])
def test_match_sent_old_name_is_read(key: str) -> None:
    text = FILE.replace("code = 4321\n", f"code = 4321\n{key} = {{ a = 'b' }}\n", 1)
    assert text != FILE
    (condition,) = loaded(text).conditions
    assert [(name, p.pattern) for name, p in condition.matches[0].sent] == [("a", "b")]
