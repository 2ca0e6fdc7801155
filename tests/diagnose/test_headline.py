"""The server's own sentence as the headline: from wherever it stands, and only if it is one."""

from __future__ import annotations

from time import process_time

import pytest

from ended_sessions import (
    ACCEPT,
    AGENT,
    CATALOG,
    CONTEXTS,
    LISTEN,
    LIVE,
    REALTIME,
    SPEECH,
    UNKNOWN,
    Place,
    S,
    closed_session,
    first_of_close,
    first_of_refusal,
    refused_session,
    session_at,
)
from wsproxy.catalog.server_sentence import ServerSentence
from wsproxy.diagnose import diagnose, summary
from wsproxy.diagnose.error_classes import classify
from wsproxy.trace import FrameRecord, Response

pytestmark = pytest.mark.one_python

# -- the places


@pytest.mark.parametrize(
    "message, sentence, name",
    [
        ({"error": "Session timed out."}, "Session timed out.", "timeout"),
        ({"error": {"message": "Out of credits"}}, "Out of credits", "quota"),
        ({"type": "error", "message": "Out of credits"}, "Out of credits", "quota"),
        (
            {"type": "session_error", "data": {"detail": "Key revoked: invalid key"}},
            "",
            "credentials",
        ),
        ({"event": "task-failed", "reason": "Model not found"}, "Model not found", "model"),
        ({"success": False, "message": "Invalid language code"}, "", "parameter"),
        ({"errors": [{"title": "x", "detail": "sample_rate must be 16000"}]}, "", "format"),
        (
            {"header": {"event": "task-failed", "error_message": "Invalid API-key"}},
            "",
            "credentials",
        ),
        ({"err_no": -3004, "err_msg": "authentication failed"}, "", "credentials"),
        ({"code": 4002, "message": "too many concurrent sessions"}, "", "concurrency"),
        ({"message": "Error", "type": "x", "reason": "Quota exceeded"}, "Quota exceeded", "quota"),
        ({"error": '{"error": {"message": "Payload too large"}}'}, "Payload too large", "size"),
        ('42["error", {"message": "Rate limit reached"}]', "Rate limit reached", "rate-limit"),
        (
            '{"type": 7, "error": "Internal server error"}\x1e',
            "Internal server error",
            "server-fault",
        ),
        ("Error: rate limit exceeded", "rate limit exceeded", "rate-limit"),
        ({"type": "close", "reason": "idle timeout"}, "idle timeout", "timeout"),
        ({"result": {"status": {"code": 3, "message": "Context is required"}}}, "", "parameter"),
        ({"type": "Error", "message": "We waited too long for a message."}, "", "timeout"),
        ({"error": "Speaker 'x' doesn't match list of available voices."}, "", "model"),
    ],
)
def test_headline_error_message_of_unknown_provider_is_the_title(
    message: object, sentence: str, name: str
) -> None:
    finding = first_of_close(UNKNOWN, 1011, "", message)
    assert (finding.id, finding.error_class) == (f"server.{name}", name)
    assert sentence in finding.title
    assert finding.sentence in finding.title
    assert finding.sentence in finding.evidence[0].text


def test_headline_error_message_before_other_messages_is_found() -> None:
    finding = first_of_close(
        UNKNOWN, 1011, "", {"error": "Out of credits"}, {"type": "session.end"}, {"bye": 1}
    )
    assert finding.id == "server.quota"


def test_headline_error_after_a_short_binary_header_is_found() -> None:
    finding = first_of_close(
        UNKNOWN, 1000, "", b"\x11\xf0\x10\x00\x00\x00\x00\x29" + b'{"error": "Out of credits"}'
    )
    assert finding.id == "server.quota"


@pytest.mark.parametrize("reason", ["See Error message for details", "see the previous message."])
def test_headline_reason_that_points_to_the_message_is_not_the_sentence(reason: str) -> None:
    finding = first_of_close(UNKNOWN, 1011, reason, {"error": "Session timed out."})
    assert finding.sentence == "Session timed out."


def test_headline_truncated_reason_is_replaced_by_the_complete_message() -> None:
    text = "Your account has no credits left; " + "please add some on the billing page " * 4
    finding = first_of_close(UNKNOWN, 1008, text[:120], {"type": "error", "message": text})
    assert finding.sentence == text.strip()


@pytest.mark.parametrize(
    "code, reason, name",
    [
        (1007, "API key expired", "credentials"),
        (1007, "This operation requires operation=transcribe in the query string", "parameter"),
        (1008, "invalid_request", "request"),
        (1011, "The server is being deployed", "server-fault"),
        (1008, "media_chunks is deprecated. Use audio, video, or text instead.", "retired"),
        (1008, "The Realtime Beta API is no longer supported", "retired"),
        (4000, "Missing required dynamic variables in first message", "parameter"),
        (1008, "The model nova-1 is no longer supported", "model"),
        (1011, "No STT client found for model: inworld/stt-v1", "model"),
        (1008, "The message did not match any of the formats we expect", "format"),
        (1008, "配额已用尽", "quota"),
        (1008, "Clé d'API expirée", "credentials"),
        (1011, "Die Sitzung wurde wegen Inaktivität beendet", "timeout"),
        (4429, "concurrency_limit_exceeded", "concurrency"),
        (4401, "Unauthorized", "credentials"),
        (
            4001,
            '{"error": "invalid_token", "error_description": "The token expired"}',
            "credentials",
        ),
    ],
)
def test_headline_close_reason_is_the_title(code: int, reason: str, name: str) -> None:
    finding = first_of_close(UNKNOWN, code, reason)
    assert finding.id == f"server.{name}"
    assert finding.sentence in finding.title


@pytest.mark.parametrize(
    "status, body, headers, name",
    [
        (403, {"detail": "Invalid API key"}, (), "credentials"),
        (429, {"error": {"message": "You exceeded your current quota"}}, (), "quota"),
        (400, "Unsupported sample rate: 8001", (), "format"),
        (500, "<?xml?><Error><Message>Access Denied</Message></Error>", (), "credentials"),
        (403, "", (("x-amzn-errortype", "UnrecognizedClientException"),), "credentials"),
        (
            401,
            "",
            (("WWW-Authenticate", 'Bearer error_description="The token expired"'),),
            "credentials",
        ),
        (404, {"error": {"code": "404", "message": "Resource not found"}}, (), "address"),
    ],
)
def test_headline_refusal_names_what_the_server_said(
    status: int, body: object, headers: tuple[tuple[str, str], ...], name: str
) -> None:
    finding = first_of_refusal(UNKNOWN, status, body, *headers)
    assert finding.id == f"server.{name}"
    assert finding.sentence in finding.title


def test_headline_page_names_the_gateway_that_sent_it() -> None:
    page = "<html><head><title>502 Bad Gateway</title></head><center>nginx/1.2</center></html>"
    finding = first_of_refusal(UNKNOWN, 502, page)
    assert finding.title == "nginx answered in place of speech.test: 502 Bad Gateway"


# -- what is no sentence of a failure


@pytest.mark.parametrize(
    "message",
    [
        {"type": "transcript", "text": "there was an error: quota exceeded"},
        {"transcript": "error: invalid API key", "is_final": True},
        {"type": "error_correction", "text": "timeout"},
        {"error": None, "text": "quota"},
        {"error": "", "text": "quota"},
        {"error": False, "error_code": 0, "text": "quota"},
        {"code": 0, "message": "success"},
        {"err_no": 0, "err_msg": "OK", "result": "the quota is exceeded"},
        {"type": "Warning", "message": "the audio is quiet"},
        {"channel": {"alternatives": [{"transcript": "fatal error", "confidence": 0.9}]}},
        "error: is what he said",
    ],
)
@pytest.mark.parametrize("code", [1000, 1011])
def test_headline_words_of_errors_in_other_messages_are_no_error(
    message: object, code: int
) -> None:
    if code == 1011 and isinstance(message, str):
        pytest.skip("a plain text of this form right before a failure is an error")
    findings = diagnose(closed_session(UNKNOWN, code, "", [message]), CATALOG)
    assert all(not finding.sentence for finding in findings)
    assert findings[0].id == f"rfc6455.close.{code}"


@pytest.mark.parametrize("status, body", [(401, "Unauthorized"), (404, "Not Found"), (400, {})])
def test_headline_body_that_repeats_the_status_is_no_sentence(status: int, body: object) -> None:
    finding = first_of_refusal(UNKNOWN, status, body)
    assert finding.sentence == ""
    assert finding.id.startswith("rfc6455.upgrade.")


def test_headline_reason_of_the_client_is_not_of_the_server() -> None:
    session = closed_session(UNKNOWN, 4000, "quota exceeded", by_client=True)
    assert diagnose(session, CATALOG)[0].sentence == ""


def test_headline_sentence_without_known_words_is_shown_as_it_is() -> None:
    finding = first_of_close(UNKNOWN, 1008, "flux capacitor misaligned")
    assert finding.title == "speech.test reports: flux capacitor misaligned"
    assert (finding.id, finding.error_class) == ("rfc6455.close.1008", "")
    assert finding.retry == "fix-first"


@pytest.mark.parametrize(
    "reason, name",
    [
        ("Could not parse word boost parameter", "parameter"),
        ("Could not parse the audio", "format"),
        ("Unexpected encoding of the audio", "format"),
    ],
)
def test_headline_form_of_a_parameter_is_no_format_of_the_audio(reason: str, name: str) -> None:
    assert first_of_close(UNKNOWN, 4104, reason).error_class == name


def test_headline_number_of_an_error_is_called_a_code() -> None:
    finding = first_of_close(UNKNOWN, 1011, "", {"error": {"code": 8, "message": "Limit reached"}})
    assert "; code 8 (frame 1)" in finding.evidence[0].text


def test_headline_footnote_does_not_deny_the_reason_that_there_is() -> None:
    finding = first_of_close(UNKNOWN, 1008, "invalid_request")
    assert not any("without a reason" in evidence.text for evidence in finding.evidence)


# -- sessions that end well after an error


def test_headline_last_word_of_the_server_is_an_error_although_the_close_is_normal() -> None:
    finding = first_of_close(UNKNOWN, 1000, "", {"error": "Out of credits"})
    assert (finding.id, finding.severity) == ("server.quota", "error")


def test_headline_error_message_before_an_empty_close_is_an_error() -> None:
    session = closed_session(UNKNOWN, None, "", [{"error": "Out of credits"}], by_client=True)
    finding = diagnose(session, CATALOG)[0]
    assert (finding.id, finding.severity) == ("server.quota", "error")


def test_headline_error_that_the_session_survived_is_a_warning() -> None:
    session = session_at(UNKNOWN, Response(1, 101, headers=ACCEPT))
    texts = ['{"error": "No such item: invalid argument"}', '{"type": "result", "text": "hello"}']
    for t_ns, text in zip((2, 60 * S), texts, strict=True):
        session.add(FrameRecord(t_ns, False, 1, text.encode()))
    session.add(FrameRecord(61 * S, True, 8, (1000).to_bytes(2, "big")))
    (finding,) = [f for f in diagnose(session, CATALOG) if f.sentence]
    assert (finding.id, finding.severity) == ("server.parameter", "warning")


def test_headline_harmless_error_of_the_catalog_is_reported_once_as_a_warning() -> None:
    error = {"type": "invalid_request_error", "code": "response_cancel_not_active",
             "message": "Cancellation failed: no active response found"}  # fmt: skip
    findings = diagnose(
        closed_session(REALTIME, 1000, "", [{"type": "error", "error": error}]), CATALOG
    )
    found = [(f.id, f.severity) for f in findings if f.severity != "info"]
    assert found == [("openai.realtime.response_cancel_not_active", "warning")]


# -- one error, one finding


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_headline_refusal_is_one_error(status: int) -> None:
    for place in (UNKNOWN, LISTEN, REALTIME):
        found = diagnose(
            refused_session(place, status, {"message": "It failed for a reason"}), CATALOG
        )
        assert len([f for f in found if f.severity == "error"]) == 1, place


def test_headline_catalogued_error_of_a_message_is_known_in_a_refusal() -> None:
    body = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota",
                      "code": "insufficient_quota"}}  # fmt: skip
    finding = first_of_refusal(REALTIME, 429, body)
    assert finding.id == "openai.realtime.insufficient_quota"
    assert finding.retry == "fix-first"
    body["error"] = {"message": "Rate limit reached for requests", "type": "requests",
                     "code": "rate_limit_exceeded"}  # fmt: skip
    assert first_of_refusal(REALTIME, 429, body).retry == "wait"


@pytest.mark.parametrize(
    "place, code, reason, found",
    [
        (LIVE, 1007, "API key expired. Please renew the API key.", "gemini.live.api-key"),
        (CONTEXTS, 1008, "Maximum simultaneous contexts per WebSocket connection exceeded (5).",
         "elevenlabs.tts-multi.too-many-contexts"),
        (AGENT, 1002, "This request exceeds your quota limit.", "elevenlabs.agent.quota"),
        (SPEECH, 1007, "Unsupported audio format.", "azure_speech.any.1007"),
        (LIVE, 1011, "You exceeded your current quota.", "gemini.live.quota"),
    ],
)  # fmt: skip
def test_headline_reported_reasons_name_their_cause(
    place: Place, code: int, reason: str, found: str
) -> None:
    finding = first_of_close(place, code, reason)
    assert finding.id == found
    assert reason.rstrip(".") in finding.evidence[0].text
    shown = " ".join([finding.title, finding.meaning, *finding.causes])
    assert not any(word in shown for word in ("UTF-8", "SSML", "policy of the peer"))


def test_headline_status_of_grpc_without_an_error_is_none() -> None:
    status = {"result": {"status": {"code": 0, "message": "ok, not an error"}}}
    assert all(
        not finding.sentence
        for finding in diagnose(closed_session(UNKNOWN, 1000, "", [status]), CATALOG)
    )


# -- evidence


def test_headline_evidence_has_nothing_twice_and_is_not_cut() -> None:
    text = (
        "Access denied due to invalid subscription key or wrong API endpoint. "
        + "More of it. " * 20
    )
    finding = first_of_refusal(REALTIME, 401, {"error": {"code": "401", "message": text}})
    assert text.strip() in finding.evidence[0].text
    assert sum("Access denied" in e.text for e in finding.evidence) == 1
    assert len({e.text for e in finding.evidence}) == len(finding.evidence)


def test_headline_name_of_the_error_behind_the_sentence_is_not_repeated() -> None:
    body = {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}
    finding = first_of_refusal(LISTEN, 401, body)
    assert finding.id == "deepgram.upgrade.INVALID_AUTH"
    assert sum("INVALID_AUTH" in e.text for e in finding.evidence) == 1


def test_headline_time_of_the_end_is_not_repeated() -> None:
    finding = first_of_close(LIVE, 1007, "API key expired. Please renew the API key.")
    assert sum("after the upgrade" in e.text for e in finding.evidence) == 1


def test_headline_general_meaning_of_the_code_is_the_last_evidence() -> None:
    finding = first_of_close(UNKNOWN, 1007, "API key expired")
    assert "general meaning of 1007" in finding.evidence[-1].text
    assert "did not match its kind" not in finding.title + finding.meaning


# -- intermediaries


@pytest.mark.parametrize(
    "status, body, headers, found",
    [
        (429, "error code: 1015", (("Server", "cloudflare"),), "rfc6455.cloudflare.1015"),
        (403, "error code: 1020", (), "rfc6455.cloudflare.blocked"),
        (524, "", (), "rfc6455.cloudflare.origin"),
        (
            403,
            "<html><title>Blocked</title><p>Zscaler</p></html>",
            (),
            "rfc6455.intermediary.network-policy",
        ),
        (503, "no healthy upstream", (), "rfc6455.intermediary.no-upstream"),
    ],
)
@pytest.mark.parametrize("place", [UNKNOWN, LISTEN, REALTIME])
def test_headline_intermediary_that_answered_is_named_first(
    status: int, body: str, headers: tuple[tuple[str, str], ...], found: str, place: Place
) -> None:
    session = refused_session(place, status, body, headers)
    findings = diagnose(session, CATALOG)
    assert findings[0].id == found
    assert [f.id for f in findings if f.severity == "error"] == [found]
    assert "(not speech.test) refused the upgrade" in summary(session, CATALOG)


@pytest.mark.parametrize("server", ["cloudflare", "envoy", "awselb/2.0"])
def test_headline_header_of_a_gateway_alone_is_not_its_answer(server: str) -> None:
    finding = first_of_refusal(
        REALTIME, 403, {"error": {"message": "Key not allowed"}}, ("Server", server)
    )
    assert "intermediary" not in finding.id
    assert "speech.test reports" in finding.title


@pytest.mark.parametrize(
    "host, name",
    [
        ("api.openai.com", "OpenAI Realtime"),
        ("127.0.0.1", "OpenAI Realtime"),
        ("contoso.openai.azure.com", "Azure OpenAI"),
        ("Contoso.CognitiveServices.Azure.com", "Azure OpenAI"),
        # Somebody's gateway with the same path.
        ("openai.azure.com.test", "openai.azure.com.test"),
    ],
)
def test_headline_name_of_the_provider_is_that_at_the_host(host: str, name: str) -> None:
    session = refused_session(REALTIME, 400, {"error": {"message": "What is this?"}}, host=host)
    assert diagnose(session, CATALOG)[0].title.startswith(f"{name} reports")
    assert summary(session, CATALOG).startswith(f"{name} refused")


def test_summary_long_close_reason_is_complete() -> None:
    reason = (
        "Too many contexts (5). " + "Please close one of them before you open another. " * 2 + "x"
    )
    assert reason in summary(closed_session(CONTEXTS, 1008, reason), CATALOG)


@pytest.mark.parametrize("word", ["model/", "exceed", "maxa", "unsupported", "not ", "audio "])
def test_classify_hostile_sentence_costs_no_more_than_the_square_of_its_length(word: str) -> None:
    def cost(length: int) -> float:
        sentence = ServerSentence((word * length)[:length], "close reason")
        began = process_time()
        for _ in range(3):
            classify(sentence)
        return process_time() - began

    # The square would be four times as much, the third power eight times.
    assert cost(2000) < 7 * cost(1000) + 0.01


def test_headline_request_is_evidence_of_no_frame() -> None:
    place = ("gemini", "live", "/ws/x.v1alpha.BidiGenerateContent?access_token=REDACTED")
    finding = first_of_close(place, 1008, "Method doesn't allow unregistered callers")
    [request] = [e for e in finding.evidence if e.text.startswith("request: ")]
    assert (request.frames, "frame" in request.text) == ((), False)
