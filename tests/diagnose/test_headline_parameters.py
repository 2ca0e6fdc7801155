"""The parameter at fault in a headline: named by the server, or by what the request shows."""

from __future__ import annotations

import pytest

from ended_sessions import first_of_close, first_of_refusal

pytestmark = pytest.mark.one_python


def test_headline_language_name_is_shown_with_its_code() -> None:
    place = ("deepgram", "listen", "/v1/listen?model=nova-3&language=english&smart_format=true")
    body = {"err_msg": "Bad Request: No such model/language/tier combination found."}
    finding = first_of_refusal(place, 400, body)
    assert finding.id == "deepgram.upgrade.language-not-code"
    assert finding.title.endswith("(language=english)")
    assert any("the code of English is en" in e.text for e in finding.evidence)
    assert finding.seen


SPEAK = ("deepgram", "speak", "/v1/speak?model=aura-2-theia-en&mip_opt_out=")


@pytest.mark.parametrize(
    "value", ["False", "None", "undefined", "%5Bobject%20Object%5D", "%7Bx%7D"]
)
def test_headline_printed_value_of_a_refused_request_is_named(value: str) -> None:
    provider, api, path = SPEAK
    finding = first_of_refusal((provider, api, path + value), 400)
    assert "(mip_opt_out=" in finding.title
    assert finding.evidence[0].text.startswith("in the URL: mip_opt_out=")


@pytest.mark.parametrize("status, value", [(400, "false"), (401, "False"), (503, "None")])
def test_headline_value_that_no_program_printed_or_another_status_names_none(
    status: int, value: str
) -> None:
    provider, api, path = SPEAK
    finding = first_of_refusal((provider, api, path + value), status)
    assert "mip_opt_out" not in finding.title


def test_headline_printed_value_that_the_server_names_is_in_the_title_once() -> None:
    provider, api, path = SPEAK
    body = {"err_msg": "Invalid value of 'mip_opt_out'."}
    finding = first_of_refusal((provider, api, path + "None"), 400, body)
    assert finding.title.count("mip_opt_out=None") == 1


def test_headline_path_that_was_not_found_is_the_first_evidence() -> None:
    finding = first_of_refusal(("openai", "realtime", "/v1/realtime?call_id=rtc_1"), 404)
    assert finding.evidence[0].text == "requested /v1/realtime?call_id=rtc_1"


@pytest.mark.parametrize("language", ["en", "en-US", "multi", "zh-Hant"])
def test_headline_language_code_is_not_called_a_name(language: str) -> None:
    place = ("deepgram", "listen", f"/v1/listen?model=nova-9&language={language}")
    body = {"err_msg": "Bad Request: No such model/language/tier combination found."}
    finding = first_of_refusal(place, 400, body)
    assert finding.id == "deepgram.upgrade.unknown-model"
    assert f"language={language}" in finding.title
    assert not any("not a language code" in e.text for e in finding.evidence)


def test_headline_parameter_that_the_server_names_is_in_the_title() -> None:
    place = ("deepgram", "listen", "/v1/listen?model=nova-2&utterance_end_ms=999&channels=1")
    finding = first_of_refusal(
        place, 400, {"err_msg": "Invalid 'utterance_end_ms' value of '999'."}
    )
    assert "utterance_end_ms=999" in finding.title
    assert "channels" not in finding.title


def test_headline_value_that_the_server_names_is_not_the_parameter_at_fault() -> None:
    place = ("deepgram", "listen", "/v1/listen?model=nova-3&keywords=Jonty")
    text = "Keywords are not supported for Nova-3. Please use `keyterm` instead."
    finding = first_of_refusal(place, 400, {"err_code": "INVALID_QUERY_PARAMETER", "err_msg": text})
    assert finding.title.endswith("(keywords=Jonty)")
    assert any("model=nova-3" in e.text for e in finding.evidence)


def test_headline_transcription_model_in_the_url_is_named() -> None:
    path = "/v1/realtime?intent=transcription&model=gpt-4o-mini-transcribe"
    text = 'Model "gpt-4o-mini-transcribe" is not supported in transcription mode.'
    error = {"type": "invalid_request_error", "code": "invalid_model", "message": text}
    place = ("openai", "realtime", path)
    finding = first_of_close(
        place, 4000, "invalid_request_error.invalid_model", {"type": "error", "error": error}
    )
    assert finding.id == "openai.realtime.transcription-model-in-url"
    assert "model=gpt-4o-mini-transcribe" in finding.title


@pytest.mark.parametrize("model, named", [("gpt-realtime", False), ("gpt-4o-transcribe", True)])
def test_headline_model_of_the_url_is_named_only_if_it_is_the_one_at_fault(
    model: str, named: bool
) -> None:
    place = ("openai", "realtime", f"/v1/realtime?model={model}")
    body = {"error": {"message": "The model `gpt-4o-transcribe` does not exist."}}
    finding = first_of_refusal(place, 404, body)
    assert (f"model={model}" in finding.title) is named
