"""Where redaction stops: the work limit of a record, the sizes of its tables, cut texts."""

from __future__ import annotations

import base64
import random
from dataclasses import replace

import pytest

from wsproxy.catalog import load
from wsproxy.redact import PLACEHOLDER, HeadRedactor, SessionRedactor, Suspect, finder, suspects
from wsproxy.redact.http_body import redact_body
from wsproxy.redact.json_fields import ends_in_content, find_fields
from wsproxy.redact.known_secrets import KnownSecrets, hide_bytes
from wsproxy.redact.prefilter import Prefilter
from wsproxy.trace import Bytes, Failure, FrameRecord, Request, Response

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
KEY = "s3cr3t-0123456789-Abcdef"
MESSAGE = b'{"api_key":"%s","token":"%s-2"}' % (KEY.encode(), KEY.encode())
REQUEST = Request(1, "GET", "wss", "api.example.com", 443, "/v1")


@pytest.fixture
def little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A work limit that the second credential of a record exceeds."""
    monkeypatch.setattr(finder, "MAX_FOUND", 1)


def session(*known: str) -> SessionRedactor:
    return SessionRedactor(REDACT, known)


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True) -> FrameRecord:
    return FrameRecord(2, True, opcode, payload, fin=fin)


def over_budget(where: str, length: int) -> dict[str, object]:
    return {"where": where, "name": "", "length": length, "why": "budget"}


# -- a record over the work limit is kept as its length


@pytest.mark.usefixtures("little_work")
def test_session_redactor_message_over_work_limit_is_length_only() -> None:
    clean = session()
    cleaned = clean(frame(MESSAGE))
    assert cleaned == replace(
        frame(b""), cut=len(MESSAGE), redacted=[over_budget("message", len(MESSAGE))]
    )
    one = clean(frame(b'{"api_key":"%s"}' % KEY.encode()))  # each record has a limit of its own
    assert isinstance(one, FrameRecord)
    assert one.payload == b'{"api_key":"%s"}' % PLACEHOLDER.encode()


@pytest.mark.usefixtures("little_work")
def test_session_redactor_fragment_over_work_limit_is_length_only() -> None:
    clean = session()
    first = clean(frame(MESSAGE, fin=False))
    assert isinstance(first, FrameRecord)
    assert (first.payload, first.cut) == (b"", len(MESSAGE))
    last = clean(frame(b"a b", opcode=0))
    assert isinstance(last, FrameRecord)
    assert last.payload == b"a b"


@pytest.mark.usefixtures("little_work")
def test_session_redactor_piece_over_work_limit_cuts_the_rest() -> None:
    padding = b'{"text":"%s"}' % (b"a word " * 20_000)
    cleaned = session()(frame(padding + MESSAGE, fin=False))
    assert isinstance(cleaned, FrameRecord)
    assert cleaned.payload and padding.startswith(cleaned.payload)
    assert cleaned.cut == len(padding + MESSAGE) - len(cleaned.payload)
    assert cleaned.redacted == [over_budget("message", cleaned.cut)]


@pytest.mark.usefixtures("little_work")
def test_session_redactor_binary_text_fragment_over_work_limit_is_length_only() -> None:
    cleaned = session()(frame(MESSAGE, opcode=2, fin=False))
    assert isinstance(cleaned, FrameRecord)
    assert (cleaned.payload, cleaned.cut) == (b"", len(MESSAGE))


@pytest.mark.usefixtures("little_work")
def test_session_redactor_audio_fragment_over_work_limit_hides_known_credentials() -> None:
    """What is no text is kept: only known credentials count in it."""
    noise = random.Random(1).randbytes(3000)
    names = b"api_key=%s&token=%s-2" % (KEY.encode(), KEY.encode())
    cleaned = session(KEY)(frame(noise + names + noise, opcode=2, fin=False))
    assert isinstance(cleaned, FrameRecord)
    assert KEY.encode() not in cleaned.payload
    assert cleaned.payload.startswith(noise) and cleaned.payload.endswith(noise)
    assert {entry["why"] for entry in cleaned.redacted or ()} == {"repeated"}


@pytest.mark.usefixtures("little_work")
@pytest.mark.parametrize("broken_rule", ["", "rule"])
def test_session_redactor_bytes_over_work_limit_are_zeros(broken_rule: str) -> None:
    data = b"\x81%c" % len(MESSAGE) + MESSAGE
    cleaned = session()(Bytes(2, False, data, broken_rule))
    assert cleaned == Bytes(2, False, bytes(len(data)), broken_rule)


@pytest.mark.usefixtures("little_work")
def test_session_redactor_body_over_work_limit_is_empty() -> None:
    cleaned = session()(Response(2, 400, "Bad Request", body=MESSAGE, body_length=len(MESSAGE)))
    assert isinstance(cleaned, Response)
    assert (cleaned.body, cleaned.body_length) == (b"", len(MESSAGE))
    assert cleaned.redacted == [over_budget("body", len(MESSAGE))]


@pytest.mark.usefixtures("little_work")
def test_session_redactor_failure_over_work_limit_has_no_message() -> None:
    cleaned = session()(Failure(2, "tls", True, MESSAGE.decode()))
    assert cleaned == Failure(2, "tls", True, "")


def test_head_redactor_value_over_work_limit_is_placeholder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finder, "MAX_EXAMINED", 2000)
    head = REDACT([("X-A", "a" * 900), ("X-B", "b" * 900)], "/" + "c" * 900)
    assert head.headers == [["X-A", "a" * 900], ["X-B", PLACEHOLDER]]
    assert head.path == f"/{PLACEHOLDER}"
    assert head.entries == [
        over_budget("header", 900) | {"name": "X-B"},
        over_budget("path", 901),
    ]


@pytest.mark.usefixtures("little_work")
def test_suspects_of_a_text_over_work_limit_are_its_budget() -> None:
    assert suspects(MESSAGE.decode()) == [Suspect("text", "", "budget")]


def test_suspects_of_bytes_equal_those_of_their_text() -> None:
    assert suspects(MESSAGE) == suspects(MESSAGE.decode())
    assert [each.name for each in suspects(MESSAGE)] == ["api_key", "token"]


# -- texts that are cut


def test_find_fields_container_cut_in_a_string_or_after_it_has_all_strings() -> None:
    def inherits(name: str) -> int:
        return 2 if name == "auth" else 0

    def read(text: str) -> list[tuple[str, bool]]:
        found = find_fields(text, inherits)
        assert {each.inherited for each in found} <= {"auth"}
        return [(text[each.start : each.end], each.complete) for each in found]

    assert read('{"auth":{"a":"one","b":["two","thr') == [
        ("one", True), ("two", True), ("thr", False)
    ]  # fmt: skip
    assert read('{"auth":{"a":"one","b":["two",') == [("one", True), ("two", True)]


def test_ends_in_content_of_many_escaped_marks_is_not_content() -> None:
    """The search for the mark that opens the string has an end; then the text is searched."""

    def is_content(name: str) -> bool:
        return name == "text"

    opened = b'{"text":"'
    assert ends_in_content(opened + b'\\"' * 100, is_content)
    assert not ends_in_content(opened + b'\\"' * 10_001, is_content)


def test_session_redactor_value_empty_at_border_changes_nothing() -> None:
    clean = session()
    parts = [b'{"api_key":"', b'","text":"', b'hello"}']
    cleaned = [clean(frame(part, opcode=0 if n else 1, fin=n == 2)) for n, part in enumerate(parts)]
    assert [each.payload for each in cleaned if isinstance(each, FrameRecord)] == parts


def test_session_redactor_bytes_after_a_begun_value_are_zeros() -> None:
    clean = session()
    clean(frame(b'{"api_key":"%s' % KEY[:8].encode(), fin=False))
    rest = b'6789-Abcdef"}'
    cleaned = clean(Bytes(3, True, b"\x80\x7e\x10\x00" + rest))  # of 4,096 bytes
    assert cleaned == Bytes(3, True, b"\x80\x7e\x10\x00" + bytes(len(rest)))


def test_redact_body_multipart_keeps_other_parts_and_a_cut_head() -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = part % (b"model", b"nova-3") + part % (b"api_key", KEY.encode())
    cut = b'--x\r\nContent-Disposition: form-data; name="password"'
    cleaned = redact_body(body + cut, REDACT, KnownSecrets(), cut=True)
    assert cleaned.data == body.replace(KEY.encode(), PLACEHOLDER.encode()) + cut
    assert [entry["name"] for entry in cleaned.entries] == ["api_key"]


# -- compressed payloads and bytes


def with_key_in_head() -> SessionRedactor:
    clean = session()
    clean(replace(REQUEST, headers=[["Authorization", f"Token {KEY}"]]))
    return clean


def test_session_redactor_deflated_payload_stays_if_the_head_has_the_key() -> None:
    deflated = replace(frame(b"\xaa\x56\x4a"), deflated=True)
    assert with_key_in_head()(deflated) == deflated
    cleaned = session()(deflated)
    assert isinstance(cleaned, FrameRecord)
    assert (cleaned.payload, cleaned.cut) == (b"", 3)
    assert [entry["why"] for entry in cleaned.redacted or ()] == ["unreadable"]
    empty = replace(deflated, payload=b"")
    assert session()(empty) == empty


def test_session_redactor_compressed_bytes_are_zeros_unless_the_head_has_the_key() -> None:
    data = b"\xc1\x05\xaa\x56\x4a"  # RSV1, cut after 3 of 5 bytes
    assert session()(Bytes(2, False, data)) == Bytes(2, False, data[:2] + bytes(3))
    assert with_key_in_head()(Bytes(2, False, data)) == Bytes(2, False, data)


# -- known credentials


def test_hide_bytes_replaces_each_credential() -> None:
    assert hide_bytes(b"a one b two", ["one", "two"]) == (
        b"a %s b %s" % ((PLACEHOLDER.encode(),) * 2)
    )


def test_known_secrets_placeholder_is_not_learned() -> None:
    known = KnownSecrets()
    known.learn(f"Bearer {PLACEHOLDER}")
    assert (known.version, known.spellings) == (0, ())


def test_known_secrets_password_in_base64_after_a_word_is_found() -> None:
    known = KnownSecrets()
    coded = base64.b64encode(b"user:hunter2-Secret9").decode()
    known.learn(f"Custom {coded}")
    assert known.hide(b"it is hunter2-Secret9!") == b"it is %s!" % PLACEHOLDER.encode()


@pytest.mark.parametrize("alphabet", [b"+/", b"-_"])
def test_known_secrets_base64_in_either_alphabet_is_found(alphabet: bytes) -> None:
    known = KnownSecrets()
    secret = "s3cr3t>>>???-Abc"
    known.learn(secret)
    for before in (b"", b"x", b"xy"):
        coded = base64.b64encode(before + secret.encode(), altchars=alphabet)
        assert alphabet[0] in coded or alphabet[1] in coded
        assert known.spans(b'{"note":"%s"}' % coded)


def test_known_secrets_short_ones_are_limited() -> None:
    known = KnownSecrets()
    for n in range(17):
        known.learn(f"pin{n:03d}")
    assert known.hide(b"pin000 pin015 pin016") == (b"%s %s pin016" % ((PLACEHOLDER.encode(),) * 2))


def test_known_secrets_index_has_a_limit() -> None:
    known = KnownSecrets()
    chance = random.Random(1)
    keys = [base64.b32encode(chance.randbytes(2500)).decode() for _ in range(70)]
    for key in keys:
        known.learn(key)
    assert known.occurs_in(keys[0].encode())
    assert not known.occurs_in(keys[-1].encode())


# -- the prefilter


def prefilter(*secrets: str) -> Prefilter:
    known = KnownSecrets()
    for secret in secrets:
        known.learn(secret)
    return Prefilter(REDACT.find, known)


def test_prefilter_utf16_in_a_text_message_is_detected() -> None:
    check = prefilter()
    assert check.may_hold_in_text(b"ab " + f'"api_key":"{KEY}"'.encode("utf-16-le"))
    assert not check.may_hold_in_text(b"ab " + "a word".encode("utf-16-le"))


def test_prefilter_more_words_than_its_table_stay_harmless() -> None:
    check = prefilter()
    letters = "bcdfghlmnr"
    for first in letters:
        words = [first + a + b + c for a in letters for b in letters for c in letters]
        assert not check.may_hold_in_text(" ".join(words).encode())
        assert check.may_hold_in_text(MESSAGE)


@pytest.mark.parametrize("size", range(5))
def test_prefilter_tiny_binary_message_holds_nothing(size: int) -> None:
    assert not prefilter("s3cr3t").may_hold_in_binary(b'{"a"'[:size])


@pytest.mark.parametrize("place", ["head", "tail"])
def test_prefilter_known_credential_at_an_end_of_long_base64_is_detected(place: str) -> None:
    audio = base64.b64encode(random.Random(2).randbytes(3000)).decode()
    key = "Abcd1234Efgh5678"
    word = key + audio if place == "head" else audio.rstrip("=") + key
    message = f'{{"audio":"{word}"}}'.encode()
    assert prefilter(key).may_hold_in_text(message)
    assert not prefilter().may_hold_in_text(message)
