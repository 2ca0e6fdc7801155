"""Personal numbers in the results of tools and functions; adds to `PLANTS`."""

from __future__ import annotations

import json

from scrub_plants import AGENT, CONVAI, OPENAI, PLANTS, Wrap, plant

__all__ = ["PLANTS"]

_NUMBERS = iter(range(9_100_417, 9_990_000, 41_003))
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
        digits = next(_NUMBERS)
        plant(f"{what} {field}", api, "app", wrap({field: digits}), str(digits))
