"""In which scripts languages are written, and which script a text has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain

LATIN = "Latin"
# Blocks of Unicode; what is in none of them counts as Latin if it is a letter.
_BLOCKS = {
    "Greek": r"\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": r"\u0400-\u052f",
    "Armenian": r"\u0530-\u058f",
    "Hebrew": r"\u0590-\u05ff",
    "Arabic": r"\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Devanagari": r"\u0900-\u097f",
    "Bengali": r"\u0980-\u09ff",
    "Gurmukhi": r"\u0a00-\u0a7f",
    "Gujarati": r"\u0a80-\u0aff",
    "Odia": r"\u0b00-\u0b7f",
    "Tamil": r"\u0b80-\u0bff",
    "Telugu": r"\u0c00-\u0c7f",
    "Kannada": r"\u0c80-\u0cff",
    "Malayalam": r"\u0d00-\u0d7f",
    "Sinhala": r"\u0d80-\u0dff",
    "Thai": r"\u0e00-\u0e7f",
    "Lao": r"\u0e80-\u0eff",
    "Tibetan": r"\u0f00-\u0fff",
    "Burmese": r"\u1000-\u109f",
    "Georgian": r"\u10a0-\u10ff",
    "Ethiopic": r"\u1200-\u139f",
    "Khmer": r"\u1780-\u17ff",
    "Chinese or Japanese": r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
    "Korean": r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
}
_EXAMINED = 200  # characters of a text
_LANGUAGES = {
    "Greek": "el",
    "Cyrillic": "ru uk be bg mk sr bs kk ky mn tg tt ba cv",
    "Armenian": "hy",
    "Hebrew": "he iw yi",
    "Arabic": "ar fa ur ps sd ug ckb ku arb ary arz",
    "Devanagari": "hi mr ne sa",
    "Bengali": "bn as",
    "Gurmukhi": "pa",
    "Gujarati": "gu",
    "Odia": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Thai": "th",
    "Lao": "lo",
    "Tibetan": "bo dz",
    "Burmese": "my",
    "Georgian": "ka",
    "Ethiopic": "am ti",
    "Khmer": "km",
    "Chinese or Japanese": "zh ja yue cmn wuu nan",
    # Hanja are rare, and Korean texts may have them.
    "Korean": "ko",
}
_LATIN_LANGUAGES = (
    "en es fr de it pt nl pl sv da no nb nn fi tr id ms vi ro cs hu ca hr sk sl et lv lt is ga cy "
    "gl eu af sw tl fil mt sq az uz so zu xh bs sr ku lb la mi"
)
_SCRIPTS: dict[str, frozenset[str]] = {}
for _script, _codes in [*_LANGUAGES.items(), (LATIN, _LATIN_LANGUAGES)]:
    for _code in _codes.split():
        _SCRIPTS[_code] = _SCRIPTS.get(_code, frozenset()) | {_script}


def scripts_of(language: str) -> frozenset[str] | None:
    """The scripts of a language by its tag (BCP 47), such as en-US; None if it is unknown."""
    return _SCRIPTS.get(re.split("[-_]", language.strip().lower())[0])


@cache
def _letters() -> dict[str, re.Pattern[str]]:
    """The letters of each block; few sessions have any of them, and compiling takes 10 ms."""
    return {name: re.compile(f"[{block}]") for name, block in _BLOCKS.items()}


def main_script(text: str, least: int = 3) -> str:
    """The script of most letters at the beginning of a text; "" where none has enough of them.

    Args:
        least: letters of that script.
    """
    text = text[:_EXAMINED]
    letters = sum(map(str.isalpha, text))
    counts = Counter({LATIN: letters})
    if not text.isascii():
        found = {name: block.findall(text) for name, block in _letters().items()}
        counts.update({name: len(those) for name, those in found.items()})
        counts[LATIN] -= sum(map(str.isalpha, chain.from_iterable(found.values())))
    name, count = counts.most_common(1)[0]
    return name if count >= least and count > letters / 2 else ""


def scripts_of_all(languages: Iterable[str]) -> frozenset[str] | None:
    """The scripts of some languages; None if there are none, or one of them is unknown."""
    found = [scripts_of(each) for each in languages]
    if not found or None in found:
        return None
    return frozenset().union(*(each for each in found if each is not None))
