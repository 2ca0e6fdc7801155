"""Which language a text in Latin letters is in, by its most common short words."""

from __future__ import annotations

import re
from collections import Counter

NAMES = {
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "pl": "Polish",
    "sv": "Swedish",
    "da": "Danish or Norwegian",
    "fi": "Finnish",
    "tr": "Turkish",
    "id": "Indonesian or Malay",
    "ro": "Romanian",
    "ca": "Catalan",
    "cs": "Czech or Slovak",
    "hu": "Hungarian",
}
"""The languages that are distinguished, by their tags (ISO 639-1)."""
# Words that make up a third of ordinary sentences or more. What two languages share is in both.
_COMMON = {
    "en": "the of and to in is you that it for was on are as with his they at be this have from "
    "or had by but not what all were we when your can there an each which do how their if "
    "will up my about would no has me i he she a so our who please just yes where could its "
    "it's i'm",
    "es": "de la que el en y a los se del las un por con no una su para es al lo como más pero "
    "sus le ya o este sí porque esta está son entre cuando muy sin sobre también me hasta "
    "hay donde quien desde todo nos qué cómo mi yo te tu usted ha puede gracias dónde hola "
    "cuándo cuánto",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce "
    "il sont avec ou son je vous nous mais comme on si leur y elle cette être aux tout "
    "votre mon ma suis c'est merci avez puis où",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch "
    "es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über so "
    "zum haben nur oder aber vor ich wir mir ihr mein bitte kann wenn was habe",
    "it": "di e il la che in a per un è del si con non da le una sono i al come della dei più nel "
    "gli alla ha anche lo o ma se mi su ci suo questo questa io ho tu grazie posso quando "
    "dove molto perché",
    "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi "
    "ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até "
    "isso ela você meu minha obrigado posso onde esta",
    "nl": "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er "
    "maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit "
    "der naar heb hoe heeft hebben deze u want nog kan",
    "pl": "w i na z się nie do to że jest o a jak po co ale za od tak przez dla już czy jego "
    "tylko ja ty on ona my są był była być mnie ma ten ta tego tym może proszę gdzie kiedy "
    "jestem",
    "sv": "och i att det som en på är av för med den till har de inte om ett jag men var sig så "
    "vi kan man när från nu också efter eller vad du min din hur där mycket tack",
    "da": "og i at det er en til på af for den med de ikke som har et jeg der kan var vi så men "
    "du om sig fra hvad mig når efter også eller hvor min din nu meget tak seg meg deg nå "
    "hva mye etter",
    "fi": "ja on ei että se hän oli en mutta mitä kun niin minä sinä tämä olen ole me te he voi "
    "joka kuin myös jos sen minun sinun kiitos nyt vain hyvin missä ovat",
    "tr": "ve bir bu da de için ile çok ne o var daha ben mi gibi ama sen kadar olarak olan en "
    "değil evet hayır nasıl benim siz biz lütfen şey her sonra mı bana",
    "id": "yang dan di dengan untuk tidak ini dari dalam itu pada ke akan ada saya anda kami bisa "
    "sudah adalah juga atau karena oleh apa kita mereka dia lebih telah sangat bagaimana "
    "tolong",
    "ro": "și de la în nu a cu că o pe un să este din mai pentru ce se sunt care am dar ai ca "
    "fost eu tu el ea noi voi unde când cum foarte vă mă te dacă sau acest",
    "ca": "de la el i que a en un per és amb no una del les els al com més però també aquest seu "
    "va ja ho us si hi són quan molt qui on jo tu gràcies avui està",
    "cs": "a je se v na to že s z do o i ne jsem jak ale si tak za by pro co jsi k po jako už "
    "jsou byl být není nebo kde když můžu prosím také jen ještě",
    "hu": "a az és hogy nem egy is van ez azt de meg csak ha már mi én te ki vagy volt mint el "
    "még minden kell igen jó itt ezt nagyon hogyan köszönöm kérem lesz fel",
}
_LANGUAGES_OF: dict[str, tuple[str, ...]] = {}
for _tag, _listed in _COMMON.items():
    for _word in set(_listed.split()):
        _LANGUAGES_OF[_word] = (*_LANGUAGES_OF.get(_word, ()), _tag)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_EXAMINED = 400  # characters of a text
_MIN_WORDS = 7  # of a text, below which no language is named
_SHARE = 1 / 3  # of the words, which have to be common ones of the language
_DISTINCT = 3  # of them that differ
_LEAD = 2  # times as many as of any other language


def language_of(text: str) -> str:
    """The tag of the language of a text; "" where it is none of NAMES, or not sure.

    Reads the beginning of the text. Two languages in one text, names, numbers and languages that
    are alike, such as Danish and Norwegian, leave it unsure.
    """
    words = _words(text)
    counts: Counter[str] = Counter()
    found: dict[str, set[str]] = {}
    for word in words:
        for tag in _LANGUAGES_OF.get(word, ()):
            counts[tag] += 1
            found.setdefault(tag, set()).add(word)
    if len(words) < _MIN_WORDS or not counts:
        return ""
    (tag, count), *others = counts.most_common(2)
    is_clear = not others or count >= _LEAD * others[0][1]
    is_common = count >= _SHARE * len(words) and len(found[tag]) >= _DISTINCT
    return tag if is_clear and is_common else ""


def is_rather(text: str, tag: str, other: str) -> bool:
    """Whether a text, of any length, has more common words of a language than of another one."""
    words = _words(text)
    tags = [_LANGUAGES_OF.get(word, ()) for word in words]
    return sum(tag in each for each in tags) > sum(other in each for each in tags)


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:_EXAMINED].lower().replace("\u2019", "'"))


# Beginnings of names of languages, in these languages, and of words about languages.
_NAMED = (
    "english ingl[eé]s inglese ingl[eê]s anglais englisch engels angiel engels spanish espa[nñ]ol "
    "castellano espagnol spanisch spaans spagnolo french fran[cç][aeé] franz frans german deutsch "
    "alem[aáã] allemand tedesc duits niemiec italian italien portug dutch nederl holand niederl "
    "polish polski polnisch swedish svensk danish dansk norw norsk finnish suomi turkish t[uü]rk "
    "indones bahasa roman[iaâ] român czech česk tschech hungar magyar ungar chinese mandarin "
    "cantonese japan korean hindi urdu bengali tamil arab russ русск ukrain greek hebrew viet thai "
    "langu lingu idioma sprach język jazyk kiel dil translat traduc traduz tradui [uü]bersetz "
    "interpret tłumacz spr[aå]k sprog nyelv limba"
)
_OF_LANGUAGES = re.compile(rf"(?i)\b(?:{'|'.join(_NAMED.split())})|\b[a-z]{{2}}-[A-Z]{{2}}\b")


def mentions_language(text: str) -> bool:
    """Whether a text speaks of languages, so that it may choose one: "in Spanish", "translate"."""
    return _OF_LANGUAGES.search(text) is not None
