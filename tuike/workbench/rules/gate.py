"""Decides whether a query may be sent: an allow-list of clauses, functions, procedures and bounded patterns.

Nothing is looked for that would be bad; whatever is not known to be good is refused. Every bare word must be a keyword
of the list below, a function of the list, or a name where a name may stand: never right behind something that is
complete already, which is where the clause of any language that we do not know would begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tuike.workbench.model import QueryRefused
from tuike.workbench.rules.growth import find_overgrown
from tuike.workbench.rules.tokens import Kind, Token, locate, read_tokens, render
from tuike.workbench.rules.words import (
    CHAINS,
    CLAUSES,
    FUNCTIONS,
    KEYWORDS,
    NEVER,
    OPENING,
    OPERATORS,
    PREDICATES,
    PROCEDURES,
    SUBQUERIES,
)

STEPS_MAX = 6
"""How far a pattern of variable length may reach."""
CHAIN_STEPS_MAX = 64
"""How far it may reach along a relation of which every node has at most one in that direction."""
DEPTH_MAX = 30
CLAUSES_MAX = 60
PLUSES_MAX = 10
RANGE_MAX = 100_000
PARAMS_MAX = 50


@dataclass(frozen=True, slots=True)
class Admitted:
    """A query that may be sent: the text as sent, the parameters it names, the procedures it calls."""

    text: str
    params: frozenset[str]
    range_params: frozenset[str]
    procedures: frozenset[str]


def admit(text: str) -> Admitted:
    """Return the query in the form in which it may be sent.

    Raises QueryRefused with a sentence that names what is not allowed, and where.
    """
    tokens = read_tokens(text)
    while tokens and tokens[-1].is_symbol(";"):
        tokens.pop()
    if not tokens:
        raise QueryRefused("The query is empty.")
    gate = _Gate(text, tokens)
    gate.check()
    return Admitted(render(tokens), frozenset(gate.params), frozenset(gate.range_params), frozenset(gate.procedures))


@dataclass(slots=True)
class _Group:
    """An open bracket: its sign, what it is, and what was seen in it."""

    sign: str
    role: str
    at: int
    has_arrow: bool = False
    types: list[str] = field(default_factory=list)
    loops: bool = False


class _Gate:
    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._groups: list[_Group] = []
        self._closed: dict[int, _Group] = {}
        self._clauses = 0
        self._pluses = 0
        self.params: set[str] = set()
        self.range_params: set[str] = set()
        self.procedures: set[str] = set()

    def check(self) -> None:
        self._require_clause(0)
        at = 0
        while at < len(self._tokens):
            at = self._check_token(at)
        if self._groups:
            raise self._refuse("A bracket is not closed.", self._groups[-1].at)
        if not any(token.upper in ("RETURN", "CALL") for token in self._tokens):
            raise self._refuse("A query ends with RETURN.", len(self._tokens) - 1)
        overgrown = find_overgrown(self._tokens)
        if overgrown is not None:
            raise self._refuse(
                "This puts lists or maps into others so often that they may become too large.", overgrown
            )

    def _check_token(self, at: int) -> int:
        """Check one token, sometimes those that belong to it; return where to go on."""
        token = self._tokens[at]
        if token.kind is Kind.WORD:
            return self._check_word(at)
        if token.kind is Kind.SYMBOL:
            return self._check_symbol(at)
        if token.kind is Kind.PARAM:
            self.params.add(token.value)
            if len(self.params) > PARAMS_MAX:
                raise self._refuse(f"A query has at most {PARAMS_MAX} parameters.", at)
            if self._is_before(at, ":", "|", "&", "!", "%") and not self._in_map_value(at):
                raise self._refuse("A label or type is a name, not a parameter.", at)
        if token.kind is Kind.NAME and self._is_after(at, "("):
            raise self._refuse("A name in backticks is not a function or procedure.", at)
        if self._completes(at - 1) and not self._is_before(at, ".") and not self._follows_keyword(at):
            raise self._refuse(f"A clause or an operator is expected before {token.value[:40]!r}.", at)
        return at + 1

    # Words

    def _check_word(self, at: int) -> int:
        token = self._tokens[at]
        if self._is_before(at, "."):
            if self._is_after(at, "("):
                raise self._refuse(f"The function …{token.value}() is not on the list.", at)
            if self._is_after(at, ".") and self._is_call_ahead(at):
                raise self._refuse(f"The function …{token.value}… is not on the list.", at)
            return at + 1
        if self._is_map_key(at):
            return at + 1
        word = token.upper
        if word in NEVER:
            raise self._refuse(f"{word} is not for the workbench: queries only read.", at)
        if word == "CALL":
            return self._check_call(at)
        if word in SUBQUERIES and self._is_after(at, "{"):
            self._refuse_operand_behind_operand(at)
            return at + 1
        if self._is_after(at, "(") and word not in KEYWORDS:
            return self._check_function(at)
        if word in CLAUSES:
            return self._check_clause(at)
        if word in KEYWORDS:
            return at + 1
        self._refuse_operand_behind_operand(at)
        return at + 1

    def _check_clause(self, at: int) -> int:
        word = self._tokens[at].upper
        self._clauses += 1
        if self._clauses > CLAUSES_MAX:
            raise self._refuse(f"A query has at most {CLAUSES_MAX} clauses.", at)
        if word == "OPTIONAL" and self._word(at + 1) != "MATCH":
            raise self._refuse("OPTIONAL is followed by MATCH.", at)
        if word == "UNION":
            behind = at + 2 if self._word(at + 1) in ("ALL", "DISTINCT") else at + 1
            self._require_clause(behind)
        return at + 1

    def _check_call(self, at: int) -> int:
        """CALL { … }, CALL (x) { … }, or a procedure of the list."""
        self._clauses += 1
        if self._is_after(at, "{"):
            return at + 1
        if self._is_after(at, "("):
            close = self._find_close(at + 1)
            inside = self._tokens[at + 2 : close]
            names_only = all(token.kind in (Kind.WORD, Kind.NAME) or token.is_symbol(",", "*") for token in inside)
            if not names_only or not self._is_after(close, "{"):
                raise self._refuse("CALL is followed by { … } or by a procedure of the list.", at)
            for number in range(at + 2, close):
                if self._tokens[number].upper in NEVER:
                    raise self._refuse(f"{self._tokens[number].upper} is not for the workbench.", number)
            return close + 1
        name, end = self._read_dotted(at + 1)
        known = PROCEDURES.get(name.lower())
        if known is None or known != name:
            raise self._refuse(f"The procedure {name or '?'} is not on the list.", at + 1 if name else at)
        if not (self._is_after(end - 1, "(") and self._tokens_at(end + 1).is_symbol(")")):
            raise self._refuse(f"{name} is called with ().", at)
        self.procedures.add(known)
        return end + 2

    def _check_function(self, at: int) -> int:
        token = self._tokens[at]
        if token.value.lower() not in FUNCTIONS and token.value.lower() not in PREDICATES:
            raise self._refuse(f"The function {token.value[:60]}() is not on the list.", at)
        self._refuse_operand_behind_operand(at)
        if token.value.lower() == "range":
            self._check_range(at + 1)
        return at + 1

    def _check_range(self, opened: int) -> None:
        """The bounds of a range are small numbers, parameters (which are looked at when they are there) or sizes."""
        measured = 0
        for at in range(opened + 1, self._find_close(opened)):
            token = self._tokens[at]
            measured += token.is_symbol("(") and (measured > 0 or self._word(at - 1) in ("SIZE", "LENGTH"))
            if measured:
                measured -= token.is_symbol(")")
            elif token.kind is Kind.PARAM:
                self.range_params.add(token.value)
            elif token.kind is Kind.NUMBER:
                if not token.value.isdigit() or int(token.value[:12]) > RANGE_MAX:
                    raise self._refuse(f"A range counts whole numbers up to {RANGE_MAX}.", at)
            elif token.upper not in ("SIZE", "LENGTH") and not token.is_symbol(",", "-"):
                raise self._refuse("A range goes from and to numbers, parameters, size(…) or length(…).", at)

    def _refuse_operand_behind_operand(self, at: int) -> None:
        if self._completes(at - 1):
            raise self._refuse(f"{self._tokens[at].value[:40]} is not a clause or an operator that is known here.", at)

    # Signs

    def _check_symbol(self, at: int) -> int:
        token = self._tokens[at]
        if token.value == ";":
            raise self._refuse("One query at a time: a semicolon may only end it.", at)
        if token.value in "([{":
            self._open(at)
        elif token.value in ")]}":
            self._close(at)
        elif token.value == "+":
            self._pluses += 1
            if self._pluses > PLUSES_MAX:
                raise self._refuse(f"A query has at most {PLUSES_MAX} plus signs.", at)
            if any(group.loops for group in self._groups):
                raise self._refuse("Nothing is added up inside a loop over a list; use UNWIND.", at)
        elif token.value == "|" and self._is_after(at, "|"):
            raise self._refuse("|| is not an operator of the workbench; use +.", at)
        if token.value == "-":
            self._note_arrow(at)
        if token.value in ("*", "+"):
            self._check_quantifier(at)
        return at + 1

    def _open(self, at: int) -> None:
        if len(self._groups) >= DEPTH_MAX:
            raise self._refuse("Brackets are nested too deeply.", at)
        sign = self._tokens[at].value
        if self._tokens_at(at - 1).kind in (Kind.NUMBER, Kind.STRING, Kind.PARAM) and sign != "[":
            raise self._refuse("A bracket does not follow a value.", at)
        role = {"(": "paren", "[": "list", "{": "map"}[sign]
        if sign == "{":
            role = self._role_of_brace(at)
        elif sign == "[" and self._is_before(at, "-"):
            role = "relation"
        group = _Group(sign, role, at, loops=role in ("list", "paren") and self._is_loop(at))
        if group.loops and any(outer.loops for outer in self._groups):
            raise self._refuse("A loop over a list inside another cannot be stopped on every server; use UNWIND.", at)
        self._groups.append(group)
        if role == "block":
            self._require_clause(at + 1, or_pattern=self._word(at - 1) in SUBQUERIES)

    def _role_of_brace(self, at: int) -> str:
        """A brace opens a subquery, says how often a pattern repeats, or holds a map."""
        before = self._tokens_at(at - 1)
        if before.upper == "CALL" or (before.upper in SUBQUERIES and not self._is_before(at - 1, ".")):
            return "block"
        if before.is_symbol(")") and self._is_call_scope(at - 1):
            return "block"
        group = self._closed.get(at - 1)  # none for the brackets of a procedure
        if before.is_symbol(">", "-") or (group is not None and group.sign == "(" and group.has_arrow):
            self._check_repetition(at)
            return "repetition"
        return "map"

    def _is_call_scope(self, close: int) -> bool:
        group = self._closed.get(close)
        opened = group.at if group is not None else self._find_open(close)
        return self._tokens_at(opened - 1).upper == "CALL"

    def _find_open(self, close: int) -> int:
        depth = 0
        for at in range(close, -1, -1):
            depth += self._tokens[at].is_symbol(")") - self._tokens[at].is_symbol("(")
            if depth == 0:
                return at
        return 0

    def _close(self, at: int) -> None:
        sign = self._tokens[at].value
        if not self._groups or "([{".index(self._groups[-1].sign) != ")]}".index(sign):
            raise self._refuse("A bracket is closed that is not open.", at)
        group = self._groups.pop()
        self._closed[at] = group
        if self._groups and group.has_arrow:
            self._groups[-1].has_arrow = True
        if group.role == "relation":
            self._check_relation(group, at)

    def _note_arrow(self, at: int) -> None:
        behind = self._tokens_at(at + 1)
        if self._groups and (behind.is_symbol("[", ">", "-") or self._tokens_at(at - 1).is_symbol("<")):
            self._groups[-1].has_arrow = True

    def _check_quantifier(self, at: int) -> None:
        """Refuse `->+`, `->*`, `((a)-->(b))+` and `-*`: repetitions without an end."""
        before = self._tokens_at(at - 1)
        if before.is_symbol("-", ">") and self._tokens_at(at - 2).is_symbol("-", "]", "<"):
            raise self._refuse("A pattern repeats within bounds, such as *1..3.", at)
        group = self._closed.get(at - 1)
        if group is not None and group.sign == "(" and group.has_arrow and self._is_pattern_group(group):
            raise self._refuse("A pattern repeats within bounds, such as {1,3}.", at)

    def _is_pattern_group(self, group: _Group) -> bool:
        """A group of expressions such as `size((a)-->(b))` has a word before it, a group of a pattern has none."""
        before = self._tokens_at(group.at - 1)
        return before.kind is not Kind.WORD or before.upper in CLAUSES | {"AND", "OR", "NOT", "EXISTS"}

    def _check_repetition(self, at: int) -> None:
        """`{m,n}`, `{n}` or `{,n}` with n within bounds."""
        close = self._find_close(at)
        inside = [token.value for token in self._tokens[at + 1 : close]]
        if not inside or not inside[-1].isdigit() or not all(value.isdigit() or value == "," for value in inside):
            raise self._refuse("A pattern repeats within bounds, such as {1,3}.", at)
        if int(inside[-1][:9]) > STEPS_MAX:
            raise self._refuse(f"A pattern repeats at most {STEPS_MAX} times.", at)

    def _check_relation(self, group: _Group, close: int) -> None:
        """`*` in a relation's brackets has both bounds, and the upper one is small."""
        depth = 0
        types: set[str] = set()
        for at in range(group.at + 1, close):
            token = self._tokens[at]
            depth += token.is_symbol("{", "(", "[") - token.is_symbol("}", ")", "]")
            if depth or token.upper == "WHERE":
                if token.upper == "WHERE":
                    break
                continue
            if token.kind in (Kind.WORD, Kind.NAME) and self._is_before(at, ":", "|"):
                types.add(token.value)
            if token.is_symbol("*"):
                self._check_star(at, close, self._find_chain(group, close, types))

    def _find_chain(self, group: _Group, close: int, types: set[str]) -> int:
        """Return how far a pattern may reach: far only along relations that never branch in that direction."""
        inward = self._tokens_at(group.at - 2).is_symbol("<")
        outward = self._tokens_at(close + 2).is_symbol(">") and self._tokens_at(close + 1).is_symbol("-")
        direction = {(True, False): "in", (False, True): "out"}.get((inward, outward), "both")
        if types and all((name, direction) in CHAINS for name in types):
            return CHAIN_STEPS_MAX
        return STEPS_MAX

    def _check_star(self, at: int, close: int, reach: int) -> None:
        values = []
        for number in range(at + 1, close):
            token = self._tokens[number]
            if token.kind is not Kind.NUMBER and not token.is_symbol(".."):
                break
            values.append(token.value)
        upper = values[-1] if values else ""
        fits = (len(values) == 1 or (len(values) == 3 and values[1] == "..")) and all(
            value.isdigit() or value == ".." for value in values
        )
        if not fits or not upper.isdigit():
            raise self._refuse("A pattern of variable length needs both bounds, such as *1..3.", at)
        if int(upper[:9]) > reach:
            raise self._refuse(f"A pattern of variable length reaches at most {reach} steps here.", at)

    # Looking around

    def _tokens_at(self, at: int) -> Token:
        return self._tokens[at] if 0 <= at < len(self._tokens) else Token(Kind.SYMBOL, "", len(self._text), True)

    def _word(self, at: int) -> str:
        return self._tokens_at(at).upper

    def _is_before(self, at: int, *signs: str) -> bool:
        return self._tokens_at(at - 1).is_symbol(*signs)

    def _is_after(self, at: int, *signs: str) -> bool:
        return self._tokens_at(at + 1).is_symbol(*signs)

    def _completes(self, at: int) -> bool:
        """Tell whether an expression may be complete with this token, so that only an operator or a clause follows."""
        token = self._tokens_at(at)
        if token.kind is Kind.SYMBOL:
            return token.value in (")", "]", "}")
        if token.kind is not Kind.WORD:
            return True
        if self._is_before(at, ".") or self._is_map_key(at):
            return True
        return token.upper not in KEYWORDS or token.upper in ("TRUE", "FALSE", "NULL", "END")

    def _follows_keyword(self, at: int) -> bool:
        return self._tokens_at(at - 1).upper in KEYWORDS - {"TRUE", "FALSE", "NULL", "END"}

    def _is_map_key(self, at: int) -> bool:
        return (
            bool(self._groups)
            and self._groups[-1].role == "map"
            and self._is_before(at, "{", ",")
            and self._is_after(at, ":")
        )

    def _in_map_value(self, at: int) -> bool:
        return bool(self._groups) and self._groups[-1].role == "map" and self._is_before(at, ":")

    def _is_call_ahead(self, at: int) -> bool:
        """Tell whether dotted words end in a `(`: a function with a namespace."""
        while self._is_after(at, ".") and self._tokens_at(at + 2).kind in (Kind.WORD, Kind.NAME):
            at += 2
        return self._is_after(at, "(")

    def _is_loop(self, at: int) -> bool:
        """`[x IN …` and `any(x IN …` go through a list, and a pattern comprehension through what it matches."""
        opened = self._tokens[at]
        if opened.is_symbol("(") and self._tokens_at(at - 1).value.lower() not in PREDICATES:
            return False
        if self._tokens_at(at + 1).kind in (Kind.WORD, Kind.NAME) and self._word(at + 2) in ("IN", ""):
            return self._word(at + 2) == "IN" or self._is_after(at + 1, "=")
        return opened.is_symbol("[") and self._is_after(at, "(") and self._has_bar(at)

    def _has_bar(self, at: int) -> bool:
        depth = 0
        for number in range(at, self._find_close(at)):
            token = self._tokens[number]
            depth += token.is_symbol("(", "[", "{") - token.is_symbol(")", "]", "}")
            if depth == 1 and token.is_symbol("|"):
                return True
        return False

    def _find_close(self, at: int) -> int:
        depth = 0
        for number in range(at, len(self._tokens)):
            token = self._tokens[number]
            depth += token.is_symbol("(", "[", "{") - token.is_symbol(")", "]", "}")
            if depth == 0:
                return number
        raise self._refuse("A bracket is not closed.", at)

    def _read_dotted(self, at: int) -> tuple[str, int]:
        parts: list[str] = []
        while self._tokens_at(at).kind is Kind.WORD:
            parts.append(self._tokens_at(at).value)
            if not self._is_after(at, "."):
                return ".".join(parts), at + 1
            at += 2
        return "", at

    def _require_clause(self, at: int, *, or_pattern: bool = False) -> None:
        token = self._tokens_at(at)
        if token.upper in OPENING or (or_pattern and token.kind is not Kind.WORD):
            return
        if or_pattern and self._is_after(at, "="):
            return
        if token.upper in NEVER:
            raise self._refuse(f"{token.upper} is not for the workbench: queries only read.", at)
        raise self._refuse(f"A query begins with {', '.join(sorted(OPENING))}.", at)

    def _refuse(self, why: str, at: int) -> QueryRefused:
        return QueryRefused(f"{why} ({locate(self._text, self._tokens_at(at).at)})")


__all__ = ["CHAIN_STEPS_MAX", "OPERATORS", "STEPS_MAX", "Admitted", "admit"]
