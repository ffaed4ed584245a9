r"""Reads the text of a query into tokens, so that nothing hides in strings, comments, escapes or odd characters.

Where servers could read a text differently from us, it is refused rather than interpreted: `\uXXXX` (Neo4j resolves it
before it looks for strings), characters that look like letters or spaces, a number with a letter behind it. What is
sent is written anew from the tokens (`render`): without comments, strings in one quoting, plain spaces.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuike.workbench.model import QueryRefused

TEXT_MAX = 20_000
TOKENS_MAX = 4_000

_SPACES = " \t\n\r"
_SYMBOLS = frozenset("()[]{}.,:|&!%=<>+-*/^;")
_LONG_SYMBOLS = ("..", "<>", "<=", ">=", "=~")
_ESCAPES = {"'": "'", '"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


class Kind(StrEnum):
    """What a token is. A `name` stood in backticks and is never a keyword."""

    WORD = "word"
    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    PARAM = "param"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its value without quotes, its keyword spelling, where it began, and whether a space came before it."""

    kind: Kind
    value: str
    at: int
    spaced: bool

    @property
    def upper(self) -> str:
        """The word as a keyword would be written; empty for what cannot be one."""
        return self.value.upper() if self.kind is Kind.WORD else ""

    def is_symbol(self, *values: str) -> bool:
        return self.kind is Kind.SYMBOL and self.value in values


def read_tokens(text: str) -> list[Token]:
    """Return the tokens of a query.

    Raises QueryRefused naming line and column of whatever two servers might not read in the same way.
    """
    if len(text) > TEXT_MAX:
        raise QueryRefused(f"A query has at most {TEXT_MAX} characters.")
    tokens: list[Token] = []
    for token in _Reader(text).read():
        tokens.append(token)
        if len(tokens) > TOKENS_MAX:
            raise QueryRefused(f"A query has at most {TOKENS_MAX} words and signs.")
    return tokens


def render(tokens: Sequence[Token]) -> str:
    """Write tokens as the text that is sent: the same query without comments, in one quoting."""
    parts: list[str] = []
    for token in tokens:
        if token.spaced and parts:
            parts.append(" ")
        if token.kind is Kind.STRING:
            parts.append("'" + token.value.replace("\\", "\\\\").replace("'", "\\'") + "'")
        elif token.kind is Kind.NAME:
            parts.append(f"`{token.value}`")
        elif token.kind is Kind.PARAM:
            parts.append(f"${token.value}")
        else:
            parts.append(token.value)
    return "".join(parts)


def locate(text: str, at: int) -> str:
    """Return a position as people count it."""
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - text.rfind(chr(10), 0, at)}"


def is_word_char(char: str) -> bool:
    """Tell whether a character may stand in a bare word: ASCII, or a letter without case that is only itself.

    Letters with case are left out because some fold to ASCII (the long s, the Kelvin sign), and those that look like
    ASCII because people read queries too.
    """
    if char in _LETTERS or char in _DIGITS:
        return True
    return not char.isascii() and unicodedata.category(char) == "Lo" and unicodedata.normalize("NFKC", char) == char


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Iterator[Token]:
        spaced = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in _SPACES:
                self._at += 1
                spaced = True
            elif self._peek("//"):
                self._skip_line()
                spaced = True
            elif self._peek("/*"):
                self._skip_block()
                spaced = True
            else:
                yield self._read_token(char, spaced)
                spaced = False

    def _read_token(self, char: str, spaced: bool) -> Token:
        start = self._at
        if char in "'\"":
            return Token(Kind.STRING, self._read_string(char), start, spaced)
        if char == "`":
            return Token(Kind.NAME, self._read_name(), start, spaced)
        if char == "$":
            return Token(Kind.PARAM, self._read_param(), start, spaced)
        if char in _DIGITS:
            return Token(Kind.NUMBER, self._read_number(), start, spaced)
        if is_word_char(char):
            return Token(Kind.WORD, self._read_word(), start, spaced)
        if char in _SYMBOLS:
            value = next((long for long in _LONG_SYMBOLS if self._peek(long)), char)
            self._at += len(value)
            return Token(Kind.SYMBOL, value, start, spaced)
        if char == "\\":
            raise self._refuse("A backslash outside a string is not for queries; write the character itself.")
        raise self._refuse(f"The character U+{ord(char):04X} may only stand in a string.")

    def _peek(self, start: str) -> bool:
        return self._text.startswith(start, self._at)

    def _refuse(self, why: str, at: int | None = None) -> QueryRefused:
        return QueryRefused(f"{why} ({locate(self._text, self._at if at is None else at)})")

    def _skip_line(self) -> None:
        end = self._at
        while end < len(self._text) and self._text[end] not in "\r\n":
            self._refuse_unreadable(end)
            end += 1
        self._at = end

    def _skip_block(self) -> None:
        end = self._text.find("*/", self._at + 2)
        if end < 0:
            raise self._refuse("A comment is not closed.")
        for at in range(self._at, end):
            self._refuse_unreadable(at)
        self._at = end + 2

    def _refuse_unreadable(self, at: int) -> None:
        """Comments are not sent; what would end them early on a server still has no business in there."""
        char = self._text[at]
        if char == "\\" and self._text[at + 1 : at + 2] in ("u", "U"):
            raise self._refuse("Unicode escapes are not for queries; write the character itself.", at)
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _SPACES:
            raise self._refuse(f"The character U+{ord(char):04X} may not stand here.", at)

    def _read_string(self, quote: str) -> str:
        start = self._at
        self._at += 1
        value: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == quote:
                self._at += 1
                text = "".join(value)
                if "\\u" in text or "\\U" in text:
                    raise self._refuse("A string may not hold a backslash before a u; send it as a parameter.", start)
                return text
            if char == "\\":
                value.append(self._read_escape())
            else:
                if unicodedata.category(char) in ("Cc", "Cs") and char not in _SPACES:
                    raise self._refuse(f"The character U+{ord(char):04X} may not stand in a string.")
                value.append(char)
                self._at += 1
        raise self._refuse("A string is not closed.", start)

    def _read_escape(self) -> str:
        char = self._text[self._at + 1 : self._at + 2]
        if char in ("u", "U"):
            raise self._refuse("Unicode escapes are not for queries; write the character itself.")
        if char not in _ESCAPES or char == "":
            raise self._refuse("A string knows the escapes \\' \\\" \\\\ \\n \\t \\r.")
        self._at += 2
        return _ESCAPES[char]

    def _read_name(self) -> str:
        start = self._at
        end = self._text.find("`", start + 1)
        value = self._text[start + 1 : end] if end >= 0 else ""
        if not value or self._text[end + 1 : end + 2] == "`":
            raise self._refuse("A name in backticks has no backtick in it and is closed.")
        if any(not (is_word_char(char) or char in " -.") for char in value):
            raise self._refuse("A name in backticks holds letters, digits, spaces, dots, dashes and _.")
        self._at = end + 1
        return value

    def _read_param(self) -> str:
        self._at += 1
        if self._text[self._at : self._at + 1] not in _LETTERS or self._at >= len(self._text):
            raise self._refuse("A parameter is a $ and a name of ASCII letters, digits and _.")
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in _LETTERS | _DIGITS:
            self._at += 1
        self._refuse_glued("parameter")
        return self._text[start : self._at]

    def _read_number(self) -> str:
        start = self._at
        self._skip_digits()
        if self._peek(".") and self._text[self._at + 1 : self._at + 2] in _DIGITS and self._at + 1 < len(self._text):
            self._at += 1
            self._skip_digits()
        if self._text[self._at : self._at + 1] in ("e", "E"):
            sign = 1 if self._text[self._at + 1 : self._at + 2] in ("+", "-") else 0
            if self._text[self._at + 1 + sign : self._at + 2 + sign] in _DIGITS:
                self._at += 1 + sign
                self._skip_digits()
        self._refuse_glued("number")
        if self._peek(".") and not self._peek(".."):
            raise self._refuse("A number does not end with a dot.", start)
        return self._text[start : self._at]

    def _skip_digits(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in _DIGITS:
            self._at += 1

    def _read_word(self) -> str:
        start = self._at
        while self._at < len(self._text) and is_word_char(self._text[self._at]):
            self._at += 1
        self._refuse_glued("word")
        return self._text[start : self._at]

    def _refuse_glued(self, what: str) -> None:
        """A character that some server might count to the word before it, or to the next, is neither."""
        char = self._text[self._at : self._at + 1]
        if char and (is_word_char(char) or char in "\\`'\"$@#?~" or not (char.isascii() or char in _SPACES)):
            raise self._refuse(f"The character U+{ord(char):04X} may not follow a {what} directly.")
