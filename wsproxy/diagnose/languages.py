"""Which language a text is in, by the words that every sentence of it has.

Only for the languages of the table, and for texts of a sentence: a name or two words in another
language change nothing.
"""

from __future__ import annotations

# The most frequent words without content, of each language those that others do not have, or
# seldom.
_WORDS = {
    "English": "the and is are was were this that with have has not you it we they of for from "
    "what where when how my your his her would could should been will",
    "Spanish": "el los las una y es está están con por para pero que como más muy yo usted ha he "
    "todavía dónde cuando mi su del al también",
    "French": "le les des une et est sont avec pour mais que qui pas je vous nous il elle ce cette "
    "dans où quand mon votre du au très",
    "German": "der die das und ist sind war mit für nicht ich sie wir ein eine einen wo wann wie "
    "mein ihr dem den zu auch noch habe hat",
    "Italian": "il gli una è sono con per ma che non io lei noi questo questa dove quando come mio "
    "suo della del nel più molto ancora ho ha",
    "Portuguese": "os as uma é são com por para mas não eu você nós ele ela este esta onde quando "
    "meu seu da do em mais muito ainda",
    "Dutch": "de het een en is zijn was met voor niet ik jij wij ze dit dat waar wanneer hoe mijn "
    "uw van op ook nog heb heeft",
}
_SETS = {name: frozenset(words.split()) for name, words in _WORDS.items()}
_EXAMINED = 400  # characters of a text
_LEAST = 3  # different words of the language
_SHARE = 0.3  # of all words
_CLEAR = 2  # times as many as of any other language


def language_of(text: str) -> str:
    """The English name of the language of a text; empty if it is not clear."""
    words = ["".join(filter(str.isalpha, word)) for word in text[:_EXAMINED].lower().split()]
    counts = sorted(
        ((sum(word in known for word in words), name) for name, known in _SETS.items()),
        reverse=True,
    )
    (most, name), (second, _) = counts[:2]
    different = len(_SETS[name].intersection(words))
    if different < _LEAST or most < _SHARE * len(words) or most < _CLEAR * second:
        return ""
    return name
