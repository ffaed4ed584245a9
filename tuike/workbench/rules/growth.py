"""Bounds how large the values that a query builds may become: a list of ten lists of ten lists … needs few words.

An answer that nobody could read is cut off on its way, but the server would have made it by then, and a single value
that is larger than its memory ends a server. So each name is given an estimate of the elements in its value, from what
it is made of: a name that stands in a list twice counts twice, a loop counts what it makes as often as what it goes
through, and what is gathered from rows is taken for a thousand rows. The estimate is of kinds of growth, not of data:
for what is really gathered, servers have limits of their own.
"""

from collections.abc import Sequence

from tuike.workbench.rules.tokens import Kind, Token
from tuike.workbench.rules.words import CLAUSES, KEYWORDS, PREDICATES, SUBQUERIES

ELEMENTS_MAX = 5_000_000
_ROWS = 1_000
_PARAM = 1_000
_PARTS = 1_000
"""What a text is split into."""
_RANGE = 100_000
_PROJECTIONS = frozenset({"WITH", "RETURN", "UNWIND"})
_SMALL = PREDICATES | {
    "count", "sum", "avg", "stdev", "stdevp", "percentilecont", "percentiledisc", "id", "elementid", "type", "length",
    "size", "isempty", "tointeger", "tofloat", "toboolean", "tointegerornull", "tofloatornull", "exists", "abs", "ceil",
    "floor", "round", "sign", "sqrt", "exp", "log", "log10", "rand", "date", "datetime", "duration", "timestamp",
}  # fmt: skip
"""Functions of which one element comes, whatever goes in."""


def find_overgrown(tokens: Sequence[Token]) -> int | None:
    """Return where a query whose brackets match builds a value that may become too large, None where it builds none."""
    return _Growth(tokens).find()


class _Growth:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._closes = _match(tokens)
        self._names: dict[str, int] = {}

    def find(self) -> int | None:
        for at in range(len(self._tokens)):
            if self._is_projection(at):
                faulty = self._project(at)
                if faulty is not None:
                    return faulty
        return None

    def _is_projection(self, at: int) -> bool:
        return self._is_clause(at) and self._tokens[at].upper in _PROJECTIONS

    def _is_clause(self, at: int) -> bool:
        """Tell whether a word begins a clause: not a property, not a key, not a part of STARTS WITH."""
        if self._tokens[at].upper not in CLAUSES or self._is_symbol(at - 1, ".") or self._is_symbol(at + 1, ":"):
            return False
        return at == 0 or self._tokens[at - 1].upper not in ("STARTS", "ENDS")

    def _project(self, clause: int) -> int | None:
        """Note how large the names of a clause may be; all of them are made of what was there before it."""
        made: dict[str, int] = {}
        start = at = clause + 1
        while True:
            is_end = at >= len(self._tokens) or self._is_symbol(at, ")", "]", "}") or self._is_clause(at)
            if is_end or self._is_symbol(at, ","):
                size = self._measure(start, at)
                if size > ELEMENTS_MAX:
                    return start
                if at - start >= 2 and self._tokens[at - 2].upper == "AS":
                    made[self._tokens[at - 1].value] = min(size, self._measure_elements(clause))
                start = at + 1
            if is_end:
                break
            at = self._closes.get(at, at) + 1
        self._names |= made
        return None

    def _measure_elements(self, clause: int) -> int:
        """Return how large each element may be that an UNWIND takes one by one; of what is not told, as the whole."""
        if self._tokens[clause].upper != "UNWIND":
            return ELEMENTS_MAX
        first = self._tokens[clause + 1]
        return 1 if first.kind is Kind.PARAM or first.value.lower() == "range" else ELEMENTS_MAX

    def _measure(self, start: int, end: int) -> int:
        """Return how many elements the value of an expression may have."""
        total, at = 0, start
        while at < end:
            close = self._closes.get(at)
            if close is not None:
                total += self._measure_group(at, close)
                at = close
            elif self._is_mention(at):
                name = self._tokens[at].value
                total += self._names.get(name, 0 if self._is_symbol(at + 1, ".") else 1)
            elif self._tokens[at].kind is Kind.PARAM:
                total += _PARAM
            elif self._tokens[at].upper == "AS":
                at += 1  # the name behind it is made here
            at += 1
        return max(total, 1)

    def _measure_group(self, opened: int, close: int) -> int:
        before = self._tokens[opened - 1]
        word = before.value.lower() if before.kind is Kind.WORD and not self._is_symbol(opened - 2, ".") else ""
        if self._is_symbol(opened, "(") and word:
            if word in _SMALL:
                return 1
            if word == "range":
                return self._measure_range(opened, close)
            if word == "split":
                return _PARTS
        if self._is_symbol(opened, "{") and word.upper() in SUBQUERIES and word != "collect":
            return 1
        if self._is_symbol(opened, "["):
            return self._measure_list(opened, close)
        return self._measure(opened + 1, close) * (_ROWS if word == "collect" else 1)

    def _measure_range(self, opened: int, close: int) -> int:
        numbers = [self._tokens[at] for at in range(opened + 1, close) if not self._is_symbol(at, ",", "-")]
        if all(token.kind is Kind.NUMBER and token.value.isdigit() for token in numbers):
            return sum(int(token.value) for token in numbers)
        return _RANGE

    def _measure_list(self, opened: int, close: int) -> int:
        """A list, an index, or a loop: then what is made for each element counts as often as there are elements."""
        if opened + 2 >= close or self._tokens[opened + 2].upper != "IN":
            return self._measure(opened + 1, close)
        made = next((at for at in self._iter_outer(opened + 3, close) if self._is_symbol(at, "|")), close)
        through = self._measure(opened + 3, made)
        if made == close:
            return through
        name = self._tokens[opened + 1].value
        known = self._names.pop(name, None)
        each = self._measure(made + 1, close)
        if known is not None:
            self._names[name] = known
        return through * each

    def _iter_outer(self, start: int, end: int) -> list[int]:
        found, at = [], start
        while at < end:
            found.append(at)
            at = self._closes.get(at, at) + 1
        return found

    def _is_mention(self, at: int) -> bool:
        token = self._tokens[at]
        if token.kind not in (Kind.WORD, Kind.NAME) or token.upper in KEYWORDS | SUBQUERIES:
            return False
        return not self._is_symbol(at - 1, ".") and not self._is_symbol(at + 1, "(", ":")

    def _is_symbol(self, at: int, *values: str) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].is_symbol(*values)


def _match(tokens: Sequence[Token]) -> dict[int, int]:
    """Return, by opening bracket, the bracket that closes it."""
    closes, opened = {}, []
    for at, token in enumerate(tokens):
        if token.is_symbol("(", "[", "{"):
            opened.append(at)
        elif token.is_symbol(")", "]", "}"):
            closes[opened.pop()] = at
    return closes
