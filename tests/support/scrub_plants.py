"""Personal data at every place of a session where an app or its users may put it.

Each plant has a description, a place, and the texts that must not be left. Plants of one provider
share a trace; each has unique words and numbers, so that each is checked separately.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from scrub_plant import (
    AAI,
    AAI_AGENT,
    AGENT,
    AZURE,
    CARTESIA,
    CONVAI,
    GEMINI,
    GLADIA,
    HUME,
    LISTEN,
    NAME,
    OPENAI,
    PLANTS,
    SM,
    SONIOX,
    TTS,
    UNKNOWN,
    plant,
)

__all__ = ["PLANTS"]  # imported here when they are all in it

# -- the user's own objects, in the shapes in which the APIs have them

Wrap = Callable[[dict[str, Any]], dict[str, Any]]
OWN: list[tuple[str, tuple[str, str] | None, str, Wrap]] = [
    (
        "ElevenLabs tool parameters",
        CONVAI,
        "server",
        lambda own: {
            "type": "client_tool_call",
            "client_tool_call": {"tool_name": "t", "tool_call_id": "c1", "parameters": own},
        },
    ),
    (
        "ElevenLabs dynamic variables",
        CONVAI,
        "app",
        lambda own: {"type": "conversation_initiation_client_data", "dynamic_variables": own},
    ),
    (
        "ElevenLabs custom_llm_extra_body",
        CONVAI,
        "app",
        lambda own: {"type": "conversation_initiation_client_data", "custom_llm_extra_body": own},
    ),
    (
        "OpenAI function arguments",
        OPENAI,
        "server",
        lambda own: {
            "type": "response.function_call_arguments.done",
            "call_id": "call_1",
            "arguments": json.dumps(own),
        },
    ),
    (
        "OpenAI function output",
        OPENAI,
        "app",
        lambda own: {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "c", "output": json.dumps(own)},
        },
    ),
    (
        "OpenAI metadata",
        OPENAI,
        "app",
        lambda own: {"type": "response.create", "response": {"metadata": own}},
    ),
    (
        "Gemini functionResponse",
        GEMINI,
        "app",
        lambda own: {
            "toolResponse": {"functionResponses": [{"id": "1", "name": "f", "response": own}]}
        },
    ),
    (
        "Gemini function call",
        GEMINI,
        "server",
        lambda own: {"toolCall": {"functionCalls": [{"id": "1", "name": "f", "args": own}]}},
    ),
    (
        "Deepgram agent function call",
        AGENT,
        "server",
        lambda own: {
            "type": "FunctionCallRequest",
            "functions": [{"id": "1", "name": "f", "arguments": json.dumps(own)}],
        },
    ),
    (
        "Twilio customParameters",
        UNKNOWN,
        "app",
        lambda own: {"event": "start", "start": {"streamSid": "MZ1", "customParameters": own}},
    ),
    ("a configuration of nobody's", UNKNOWN, "app", lambda own: {"type": "start", "setup_x": own}),
    ("AssemblyAI tool call", AAI_AGENT, "server", lambda own: {"type": "tool.call", "args": own}),
    (
        "Hume session settings",
        HUME,
        "app",
        lambda own: {"type": "session_settings", "variables": own},
    ),
    (
        "Hume tool call",
        HUME,
        "server",
        lambda own: {"type": "tool_call", "parameters": json.dumps(own)},
    ),
    (
        "Gladia custom metadata",
        GLADIA,
        "app",
        lambda own: {"type": "start", "custom_metadata": own},
    ),
    (
        "Speechmatics metadata",
        SM,
        "server",
        lambda own: {"message": "Info", "type": "x", "metadata": own},
    ),
]
_FIELDS = """
    state provider status role model unit code action type sentiment method object features
    language intent_type speed format scheme finish_reason category level severity region tier
    mode voice encoding container event path kind reason version name title label key value
"""
FIELDS = _FIELDS.split()
SENTENCES = ["{}", "Dr {}", "call {}", "{}-clone", "{}.pdf", "{} hates cats", "ft:gpt-4o:{}::a1"]

for number, field in enumerate(FIELDS * 2):
    what, api, place, wrap = OWN[number % len(OWN)]
    name = next(NAME)
    text = SENTENCES[number % len(SENTENCES)].format(name)
    plant(f"{what} {field}: {text}", api, place, wrap({field: text}), name)

# Everyday words that are personal in their place.
for field, text, planted in [
    ("state", "New York", "York"),
    ("status", "pregnant", "pregnant"),
    ("intent_type", "suicide", "suicide"),
    ("code", "Blue Harvest", "Harvest"),
    ("unit", "Cardiology Ward", "Cardiology"),
    ("object", "grandma's ring", "grandma"),
]:
    what, api, place, wrap = OWN[0]
    plant(f"{what} {field}: {text}", api, place, wrap({field: text}), planted)

# -- numbers and dates

_DIGITS = iter(range(3_100_417, 9_000_000, 91_003))
NUMBERS: list[tuple[str, Any, str]] = [
    ("latitude", 52.5200081, "5200081"),
    ("longitude", -13.4049543, "4049543"),
    ("date_of_birth", 19870421, "19870421"),
    ("order_id", 4917055512345, "4917055512345"),
    ("room", 47111, "47111"),
    ("year_of_birth", 1987, "1987"),
    ("order_number", 4111111111111111, "4111111111111111"),
    ("index_number", 123456789, "123456789"),
    ("pincode", 4713, "4713"),
    ("passcode", 482913, "482913"),
    ("customer", 771345, "771345"),
    ("mrn", 8829134, "8829134"),
    ("last4", 4719, "4719"),
    ("amount", 99123.55, "99123"),
    ("limit_of_account", 7_310_442, "7310442"),
    ("time_of_birth", 112233, "112233"),
    ("start_date", 20191105, "20191105"),
    ("duration_of_illness", 6612, "6612"),
    ("end_user", 551237, "551237"),
    ("card_rate", 424242424242, "424242424242"),
]
for field, value, planted in NUMBERS:
    plant(f"number {field}", LISTEN, "app", {"type": "Configure", field: value}, planted)
for number, field in enumerate(["start", "duration", "index", "speed", "id", "created", "code"]):
    digits = next(_DIGITS)
    what, api, place, wrap = OWN[number % len(OWN)]
    plant(f"{what}, number {field}", api, place, wrap({field: digits}), str(digits))
TOOL_RESULTS: list[tuple[str, tuple[str, str], Wrap]] = [
    (
        "ElevenLabs tool result",
        CONVAI,
        lambda own: {"type": "client_tool_result", "tool_call_id": "c", "result": own},
    ),
    (
        "OpenAI function output, number",
        OPENAI,
        lambda own: {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "c", "output": json.dumps(own)},
        },
    ),
    (
        "Deepgram agent function response",
        AGENT,
        lambda own: {"type": "FunctionCallResponse", "id": "1", "content": json.dumps(own)},
    ),
]
for what, api, wrap in TOOL_RESULTS:
    for field in ("start", "confidence", "max_tokens", "status_code", "offset"):
        digits = next(_DIGITS)
        plant(f"{what} {field}", api, "app", wrap({field: digits}), str(digits))
for number, (field, text, planted) in enumerate(
    [
        ("date_of_birth", "1983-04-21", "1983-04-21"),
        ("birth_date", "1979-11-02", "1979-11-02"),
        ("expiry_date", "2029-08-17", "2029-08-17"),
        ("time", "1964-07-30T11:22:33Z", "1964-07-30"),
        ("timestamp", "1958-01-19 09:08", "1958-01-19"),
        ("expires", "1207331", "1207331"),
        ("room_size", "471113", "471113"),
        ("created_at", "1961-05-13T01:02:03.456+02:00", "1961-05-13"),
        ("when", "21.04.1987", "21.04.1987"),
        ("born", "April 21, 1971", "1971"),
        ("iban", "DE44 5001 0517 5407 3249 31", "5407"),
        ("plate", "B-XQ 8127", "8127"),
    ]
):
    what, api, place, wrap = OWN[number % len(OWN)]
    plant(f"{what}, text {field}", api, place, wrap({field: text}), planted)
    plant(f"text {field} in a setting", AAI, "app", {"type": "x", field: text}, planted)

# -- names where names are no values

BUILDERS: list[tuple[str, Callable[[str], Any]]] = [
    ("names as field names", lambda n: {"type": "Configure", "metadata": {n: 1}}),
    ("names as field names 2", lambda n: {"type": "Configure", n: True}),
    ("a name in a documented object", lambda n: {"type": "Configure", "features": {n: {}}}),
    ("type as a list", lambda n: {"type": [n]}),
    ("type as an object", lambda n: {"type": {"type": n}}),
    ("model as a list", lambda n: {"type": "Configure", "model": ["nova-3", n]}),
    ("language in a list", lambda n: {"type": "Configure", "language": ["en", n]}),
    ("URL in a config field", lambda n: {"type": "x", "path": f"https://{n}.example/a"}),
    ("file name in format", lambda n: {"type": "x", "format": f"{n}_home.wav"}),
    ("JSON in JSON in JSON", lambda n: {"type": "x", "data": json.dumps({"a": json.dumps([n])})}),
    ("a list of words", lambda n: {"type": "x", "channels": [[n], 3]}),
    ("escaped", lambda n: json.dumps({"type": n}).replace(n[1], f"\\u{ord(n[1]):04x}")),
    ("cut JSON", lambda n: json.dumps({"type": "Configure", "status": n})[:-1]),
    ("no JSON", lambda n: f"hello {n}"),
    ("quoted JSON", lambda n: json.dumps(json.dumps({"role": n}))),
    ("number and name", lambda n: {"type": "Configure", "code": f"{n}1234"}),
    ("camel case", lambda n: {"type": "Configure", f"is{n}": False}),
    ("a very deep one", lambda n: json.loads('{"a":' * 70 + json.dumps(n) + "}" * 70)),
]
for what, build in BUILDERS:
    for api in (LISTEN, OPENAI, UNKNOWN):
        name = next(NAME)
        plant(what, api, "app", build(name), name)

# -- a setting of a documented name with a value of the user's

SETTINGS: list[tuple[tuple[str, str], dict[str, Any], str]] = [
    (LISTEN, {"type": "Configure"}, "model"),
    (AGENT, {"type": "Settings"}, "language"),
    (OPENAI, {"type": "session.update"}, "voice"),
    (OPENAI, {"type": "session.update"}, "tool_choice"),
    (GEMINI, {"setup": {}}, "model"),
    (TTS, {"text": " "}, "voice_id"),
    (SM, {"message": "StartRecognition"}, "domain"),
    (SONIOX, {"model": "stt-rt-v3"}, "client_reference_id"),
    (CARTESIA, {"model_id": "sonic-2"}, "emotion"),
    (HUME, {"type": "session_settings"}, "custom_session_id"),
    (AAI, {"type": "UpdateConfiguration"}, "message_type"),
    (GLADIA, {"type": "audio_chunk"}, "endpointing"),
]
for api, message, field in SETTINGS:
    name = next(NAME)
    plant(f"{api[0]} {field}", api, "app", {**message, field: name}, name)

# -- heads

for what, name_of, value in [
    ("query name", "{}", "1"),
    ("query name w/ person", "john_{}", "true"),
    ("query ?user=", "user", "{}"),
    ("query ?voice=", "voice", "Grandma+{}"),
    ("query ?model=", "model", "{}-v2"),
    ("query ?language=", "language", "{}"),
    ("query ?tag=", "tag", "{}"),
    ("query ?version=", "version", "{}"),
    ("query ?redact=", "redact", "{}"),
    ("query, a list", "keyterms[]", "{}"),
    ("query, encoded", "extra", "a%3A%7B{}%7D"),
    ("query, no value", "{}x", ""),
]:
    for api in (LISTEN, OPENAI):
        name = next(NAME)
        pair = f"{name_of}={value}" if value else name_of
        plant(what, api, "query", pair.format(name), name)
for field in ("zip", "customer_id", "start", "channels_of", "code"):
    digits = next(_DIGITS)
    plant(f"query number {field}", UNKNOWN, "query", f"{field}_x={digits}", str(digits))

for header, value in [
    ("X-{}", "1"),
    ("Accept", "application/vnd.{}+json"),
    ("Pragma", "{}"),
    ("Accept-Language", "{}-DE, de;q=0.9"),
    ("Keep-Alive", "timeout=5, {}"),
    ("Trailer", "X-{}"),
    ("TE", "{}"),
    ("Cache-Control", "no-cache, {}=1"),
    ("Connection", "Upgrade, {}"),
    ("Sec-WebSocket-Extensions", "permessage-deflate; x={}"),
    ("Sec-WebSocket-Extensions", "x-{}"),
    ("Sec-WebSocket-Protocol", "token, {}"),
    ("User-Agent", "Mozilla/5.0 {}Phone/1"),
    ("Origin", "https://{}.example"),
    ("Referer", "http://localhost/{}?a=b"),
    ("Cookie", "user={}"),
    ("From", "{}@example.org"),
    ("Forwarded", "for={}"),
    ("Content-Type", "application/json; boundary={}"),
    ("X-Real-IP", "{}.lan"),
    ("Date", "{}, 21 Apr 1987 11:22:33 GMT"),
    ("If-None-Match", '"{}"'),
]:
    name = next(NAME)
    plant(f"header {header}", LISTEN, "request", (header.format(name), value.format(name)), name)
for header, value in [
    ("Vary", "Origin, X-{}"),
    ("X-{}-Name", "a"),
    ("Server", "{}-server"),
    ("Set-Cookie", "id={}; Path=/"),
    ("Keep-Alive", "{}"),
    ("Via", "1.1 {}"),
    ("Location", "https://{}.example/x"),
    ("dg-error", "no project {}"),
    ("Content-Language", "{}"),
    ("Access-Control-Allow-Origin", "https://{}.example"),
]:
    name = next(NAME)
    plant(f"answer {header}", AAI, "answer", (header.format(name), value.format(name)), name)
plant("Date header", GEMINI, "request", ("Date", "Tue, 21 Apr 1987 11:22:33 GMT"), "1987")
plant(
    "Date header (answer)", GEMINI, "answer", ("Expires", "Wed, 22 Apr 1953 11:22:33 GMT"), "1953"
)
plant("User-Agent number", GEMINI, "request", ("User-Agent", "python/3.11 5551713"), "5551713")
for api, path in [
    (CONVAI, "/v1/convai/conversation/{}"),
    (TTS, "/v1/text-to-speech/{}/stream-input"),
    (SM, "/v2/{}"),
    (UNKNOWN, "/live/{}"),
    (AAI, "/v3/ws;who={}"),
    (LISTEN, "/v1/listen#{}"),
]:
    name = next(NAME)
    plant("path", api, "path", path.format(name), name)
for api, host in [
    (OPENAI, "{}.openai.azure.com"),
    (AZURE, "{}.cognitiveservices.azure.com"),
    (LISTEN, "{}.example.org"),
    (UNKNOWN, "{}"),
]:
    name = next(NAME)
    plant("host", api, "host", host.format(name).lower(), name)

# -- error messages

ERRORS: list[tuple[Any, dict[str, Any]]] = [
    (LISTEN, {"type": "Error", "description": "Voice {!r} was not found", "code": "DATA-0000"}),
    (OPENAI, {"type": "error", "error": {"message": "Unknown parameter: 'session.{}'."}}),
    (OPENAI, {"type": "error", "error": {"type": "x", "param": "{}", "message": "no"}}),
    (CONVAI, {"type": "error", "error_event": {"message": "No such agent {} in the workspace"}}),
    (TTS, {"error": "voice_not_found", "message": 'A voice with name "{}" does not exist'}),
    (GEMINI, {"error": {"code": 400, "message": "Model {} is not found", "details": ["{}"]}}),
    (AAI, {"type": "Error", "error": "the key of {} has expired"}),
    (SM, {"message": "Error", "type": "invalid_config", "reason": "unknown name {}"}),
    (SONIOX, {"error_code": 400, "error_message": "bad reference \u201c{}\u201d"}),
    (HUME, {"type": "error", "code": "E0100", "message": "`{}` cannot be resolved"}),
    (CARTESIA, {"type": "error", "error": "voice {} was deleted", "status_code": 404}),
    (UNKNOWN, {"error": {"detail": [{"loc": ["query", "{}"], "msg": "no"}]}}),
]
for api, message in ERRORS:
    name = next(NAME)
    text = json.dumps(message).replace("{!r}", f"'{name}'").replace("{}", name)
    plant(f"error of {api[0] if api else 'an API'}", api, "server", text, name)
for what, api, text, planted in [
    ("6-digit code in an error", LISTEN, "the code 482917 is wrong", "482917"),
    ("error: zip", OPENAI, "zip 90217 is not served", "90217"),
    ("error: room", CONVAI, "no room 4715 in this house", "4715"),
    ("error: year", GEMINI, "born in 1949: too old", "1949"),
    ("error: telephone", AAI, "cannot call +49 170 5553317", "5553317"),
    ("error: amount", SM, "balance 1837.52 of account 99183746", "99183746"),
    ("error: id", SONIOX, "session of user_88172 is closed", "88172"),
]:
    plant(what, api, "server", {"type": "Error", "error": text, "message": text}, planted)
for what, text, planted in [
    ("close reason pin", "pin 4716 is wrong", "4716"),
    ("close reason name", "closed by {}", ""),
    ("close reason JSON", '{{"user": "{}"}}', ""),
]:
    name = next(NAME)
    plant(what, CONVAI, "close", text.format(name), planted or name)
for what, text in [
    ("refusal, JSON", '{{"err_msg": "no project {0}", "category": "{0}"}}'),
    ("refusal, text", "user {} may not"),
    ("refusal, HTML", "<html><title>{0}</title><a href='http://{0}/'>403 Forbidden</a></html>"),
]:
    name = next(NAME)
    plant(what, LISTEN, "refusal", text.format(name), name)
name = next(NAME)
plant("ping", HUME, "ping", name, name)

# -- scripts

for what, text in [
    ("private use area", "\ue101\ue102\ue103\ue104"),
    ("private use plane", "\U000f0101\U000f0102\U000f0103\U000f0104"),
    ("Thai", "สวัสดีครับ"),
    ("Arabic", "مستشفى"),
    ("Hebrew", "ירושלים"),
    ("Georgian", "თბილისი"),
    ("Han", "北京协和医院"),
    ("Korean", "세브란스병원"),
    ("emoji", "\U0001f930\U0001f3fd\U0001f489\U0001f3e5"),
    ("tags", "\U000e0041\U000e0042\U000e0043\U000e0044"),
    ("full width", "Ｓｍｉｔｈｓｏｎ"),
    ("mathematical", "𝓢𝓶𝓲𝓽𝓱𝓼𝓸𝓷"),
    ("Braille", "⠎⠍⠊⠞⠓⠎⠕⠝"),
]:
    plant(what, SONIOX, "app", {"type": "Configure", "name": text}, text)

# -- values that only resemble documented ones

_TELEPHONES = {str(491705550000 + n): n for n in range(20)}
for what, api, place, content, planted in [
    ("a sample rate that is none", LISTEN, "app", {"type": "x", "sample_rate": 19731}, "19731"),
    ("channels that are a PIN", LISTEN, "query", "channels=6173", "6173"),
    ("a start that is a birthday", AAI, "app", {"type": "x", "start": 19630517}, "19630517"),
    ("telephone numbers as names", LISTEN, "app", _TELEPHONES, "491705550007"),
    ("a voice's name alone", LISTEN, "app", {"type": "x", "model": "pandora"}, "pandora"),
    ("max-age's neighbour", AAI, "request", ("Cache-Control", "private=771239"), "771239"),
    ("Sec-WebSocket-Version", GEMINI, "request", ("Sec-WebSocket-Version", "771241"), "771241"),
    (
        "Sec-WebSocket-Key",
        SM,
        "request",
        ("Sec-WebSocket-Key", "U21pdGhzb24gSm9obiBELg=="),
        "U21pdGhzb24",
    ),
    ("a code of nobody's", SONIOX, "app", {"type": "x", "code": 4717}, "4717"),
    ("a list of PINs", SM, "app", {"message": "x", "codes": [4811, 4813]}, "4811"),
    ("digits in an id", CARTESIA, "app", {"context_id": "order-5512381"}, "5512381"),
    (
        "figures with a word",
        OPENAI,
        "server",
        {"type": "error", "error": {"message": "ward 6613b"}},
        "6613b",
    ),
]:
    plant(what, api, place, content, planted)

# -- the limits of docs/scrub.md

LIMITS: list[tuple[str, tuple[str, str], str, Any, str]] = [
    ("limit: a figure's field", AAI, "app", {"type": "x", "start": 551731}, "551731"),
    ("limit: a documented model", OPENAI, "app", {"type": "x", "model": "aura-2-luna-en"}, "luna"),
    (
        "limit: a word of error sentences",
        SONIOX,
        "server",
        {"error": "x", "message": "deployment migrate is unknown"},
        "migrate",
    ),
]
for what, api, place, content, planted in LIMITS:
    plant(what, api, place, content, planted)
