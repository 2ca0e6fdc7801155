"""Which language a text is in."""

from __future__ import annotations

import pytest

from wsproxy.diagnose.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Good morning, the parcel has not arrived yet, and we do not know why.", "English"),
        ("El paquete todavía no ha llegado y no sé dónde está.", "Spanish"),
        ("Le colis est en retard, et je ne sais pas quand il arrive.", "French"),
        ("Das Paket ist noch nicht da, und ich weiß nicht, wo es ist.", "German"),
        ("Il pacco non è ancora arrivato, ma io non so dove sono.", "Italian"),
        ("O pacote não chegou e eu não sei onde ele está, mas você sabe.", "Portuguese"),
        ("Het pakket is er nog niet, en ik weet niet waar het is.", "Dutch"),
        ("Bonjour!", ""),
        ("Where is the Calle de la Paz?", ""),
        ("Yes. OK. Tom Smith, London.", ""),
        ("", ""),
    ],
)
def test_language_of_a_sentence_is_found_and_of_a_few_words_unknown(
    text: str, language: str
) -> None:
    assert language_of(text) == language
