"""The language of a text in Latin letters."""

from __future__ import annotations

import pytest

from wsproxy.diagnose.languages import NAMES, is_rather, language_of, mentions_language

SENTENCES = {
    "en": "Your parcel is on its way, and it will be with you this afternoon.",
    "es": "Su paquete está en camino y llegará a su casa esta tarde.",
    "fr": "Votre colis est en route, et il sera chez vous cet après-midi avec la facture.",
    "de": "Das Paket ist unterwegs, und es wird heute Nachmittag bei Ihnen sein.",
    "it": "Il pacco è in viaggio e sarà a casa sua nel pomeriggio, non si preoccupi.",
    "pt": "O seu pacote está a caminho e não deve demorar mais do que uma hora.",
    "nl": "Het pakket is onderweg en zal vanmiddag bij u zijn, maar niet voor drie uur.",
    "pl": "Paczka jest już w drodze i będzie u pana po południu, ale nie przed trzecią.",
    "sv": "Paketet är på väg och kommer att vara hos dig i eftermiddag, men inte före tre.",
    "da": "Pakken er på vej og vil være hos dig i eftermiddag, men det bliver ikke før tre.",
    "fi": "Paketti on matkalla ja se tulee perille iltapäivällä, mutta ei ole vielä täällä.",
    "tr": "Paketiniz yolda ve bu öğleden sonra sizin için hazır olacak, ama daha değil.",
    "id": "Paket anda sudah dalam perjalanan dan akan tiba di rumah anda pada sore ini.",
    "ro": "Pachetul este pe drum și va ajunge la dumneavoastră în această după-amiază.",
    "ca": "El paquet és de camí i arribarà a casa seva aquesta tarda, però no abans de les tres.",
    "cs": "Balík je už na cestě a bude u vás dnes odpoledne, ale ne před třetí hodinou.",
    "hu": "A csomag már úton van, és ma délután meg is érkezik, de nem három előtt.",
}


@pytest.mark.parametrize("tag", NAMES)
def test_language_of_a_sentence(tag: str) -> None:
    assert language_of(SENTENCES[tag]) in (tag, "")


def test_languages_that_are_alike_share_a_name() -> None:
    text = "Pakken er på vei og vi kommer til deg etter klokken tre i dag, men ikke før."

    assert NAMES[language_of(text)] == "Danish or Norwegian"


@pytest.mark.parametrize("tag", ["en", "es", "fr", "de", "it", "pt", "nl", "pl", "id", "tr"])
def test_language_is_sure_of_two_sentences(tag: str) -> None:
    assert language_of(f"{SENTENCES[tag]} {SENTENCES[tag]}") == tag


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Good morning.",
        "Hola, buenos días.",
        "Pusul derlemeliyiz.",
        "four two seven nine one three eight zero five six",
        "London Paris Berlin Madrid Lisbon Rome Vienna Prague Warsaw Oslo",
        f"{SENTENCES['en']} {SENTENCES['es']}",
        f"{SENTENCES['de']} {SENTENCES['fr']}",
        "मेरा पार्सल अभी तक नहीं आया है।",
    ],
)
def test_language_that_is_not_sure_is_not_named(text: str) -> None:
    assert language_of(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Answer in Spanish.",
        "Responde siempre en español.",
        "You translate what the caller says.",
        "Speak the user's language.",
        "Locale: es-MX",
        "Sprich Deutsch.",
    ],
)
def test_text_that_may_choose_a_language(text: str) -> None:
    assert mentions_language(text)


@pytest.mark.parametrize("text", ["Be brief.", "Where is the parcel that I ordered?", "E-mail me."])
def test_text_that_chooses_none(text: str) -> None:
    assert not mentions_language(text)


@pytest.mark.parametrize(
    ("text", "is_so"),
    [("Sí, gracias.", True), ("No.", False), ("Where is it?", False), ("", False)],
)
def test_short_text_is_rather_spanish_than_english(text: str, is_so: bool) -> None:
    assert is_rather(text, "es", "en") is is_so
