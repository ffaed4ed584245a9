"""Text into what PostgreSQL indexes: words by a tokenizer for Chinese and a stemmer for English.

A tsvector is written as text with positions of ours, so that what is found does not depend on a server's locale or
text search configuration. Every Chinese character stands at a position of its own and every word at its first
character: a query finds any run of characters, and whole words rank higher.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

import rjieba
import snowballstemmer  # type: ignore[import-untyped]

MAX_QUERY_WORDS = 12
MAX_PREFIX = 12
"""How long a beginning may be for a suggestion to be kept for it, in characters."""

_MAX_WORD = 48
_MAX_POSITION = 12_000
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U0003ffff"
_RUN = re.compile(f"([{_HAN}]+)|([^\\W_{_HAN}]+)")
_STEMMER = snowballstemmer.stemmer("english")
_STEMMER_LOCK = threading.Lock()
"""A stemmer keeps the word at work in itself, and requests run in threads."""


def normalise(text: str) -> str:
    """Return text as it is compared: full width and other variants unified, case folded, spaces single."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def make_lexemes(fields: Iterable[tuple[str, str]]) -> str:
    """Return the text form of a tsvector for fields of (text, weight); `A` weighs most, `D` least."""
    places: dict[str, list[str]] = {}
    position = 0
    for text, weight in fields:
        for lexeme, offset in _iter_lexemes(normalise(text)):
            at = position + offset + 1
            if at > _MAX_POSITION:
                break
            found = places.setdefault(lexeme, [])
            if len(found) < 200:  # PostgreSQL keeps 255
                found.append(f"{at}{weight}")
        position += len(text) + 2
        if position > _MAX_POSITION:
            break
    return " ".join(f"'{lexeme}':{','.join(found)}" for lexeme, found in places.items())


def make_query(text: str) -> str | None:
    """Return the text form of a tsquery that asks for every word of `text`, None when it has none.

    The last word may be unfinished. Words beyond MAX_QUERY_WORDS are left aside.
    """
    parts: list[str] = []
    runs = list(_RUN.finditer(normalise(text)))
    for index, run in enumerate(runs):
        chinese, other = run.groups()
        if chinese:
            parts += [_ask_for_word(word) for word in rjieba.cut(chinese)]
        else:
            word = other[:_MAX_WORD]
            unfinished = f" | '{word}':*" if index == len(runs) - 1 and len(word) > 1 else ""
            parts.append(f"('{_stem(word)}'{unfinished})")
    return " & ".join(parts[:MAX_QUERY_WORDS]) or None


def make_loose_query(text: str) -> str | None:
    """Return a tsquery for every character and word of `text` in any order: for when `make_query` finds nothing."""
    parts: list[str] = []
    for run in _RUN.finditer(normalise(text)):
        chinese, other = run.groups()
        parts += [f"'{char}'" for char in dict.fromkeys(chinese)] if chinese else [f"'{_stem(other[:_MAX_WORD])}'"]
    return " & ".join(parts[: 2 * MAX_QUERY_WORDS]) or None


def list_terms(name: str, *whole: str) -> list[str]:
    """Return what completes somebody's typing for a product: `whole` words (brand, category, tags) and its name's."""
    terms = dict.fromkeys(normalise(one) for one in whole if one)
    for run in _RUN.finditer(normalise(name)):
        chinese, other = run.groups()
        terms |= dict.fromkeys(word for word in (rjieba.cut(chinese) if chinese else [other]) if len(word) > 1)
    return [term for term in terms if 1 < len(term) <= _MAX_WORD]


def _iter_lexemes(text: str) -> Iterator[tuple[str, int]]:
    """Yield lexemes of normalised text with their offsets."""
    for run in _RUN.finditer(text):
        chinese, other = run.groups()
        if chinese:
            for offset, char in enumerate(chinese, run.start()):
                yield char, offset
            for word, start, _ in rjieba.tokenize(chinese, "search"):
                if len(word) > 1:
                    yield word[:_MAX_WORD], run.start() + start
        else:
            word = other[:_MAX_WORD]
            yield word, run.start()
            stem = _stem(word)
            if stem != word:
                yield stem, run.start()


def _ask_for_word(word: str) -> str:
    if len(word) == 1:
        return f"'{word}'"
    phrase = " <-> ".join(f"'{char}'" for char in word[:_MAX_WORD])
    return f"('{word[:_MAX_WORD]}' | ({phrase}))"


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    if not (word.isascii() and word.isalpha()):
        return word
    with _STEMMER_LOCK:
        return str(_STEMMER.stemWord(word))
