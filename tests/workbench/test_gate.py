"""The gate alone: what it refuses, what it lets pass, and in which form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workbench.friendly import list_friendly
from tests.workbench.hostile import list_hostile
from tuike.workbench import QueryRefused, admit
from tuike.workbench.rules.tokens import read_tokens, render

HOSTILE = list_hostile()


def test_there_are_enough_of_both_kinds() -> None:
    assert len(set(HOSTILE)) >= 200
    assert len(set(list_friendly())) >= 60


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: repr(query)[:60])
def test_what_does_more_than_read_or_has_no_end_is_refused(query: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        admit(query)
    assert str(refusal.value).strip()


@pytest.mark.parametrize("query", list_friendly(), ids=lambda query: repr(query)[:60])
def test_what_analysts_need_passes(query: str) -> None:
    admitted = admit(query)
    assert "//" not in admitted.text.replace("'CREATE (n) // not a comment /* nor this */ DELETE'", "")
    assert admit(admitted.text) == admitted  # what is sent would pass again, unchanged


def test_comments_are_not_sent_and_strings_have_one_quoting() -> None:
    text = 'MATCH (n) /* a */ WHERE n.id = "it\'s" // b\n RETURN n'
    assert admit(text).text == "MATCH (n) WHERE n.id = 'it\\'s' RETURN n"


def test_a_refusal_says_where() -> None:
    with pytest.raises(QueryRefused, match=r"DELETE .*line 2, column 3"):
        admit("MATCH (n)\n  DELETE n")


def test_parameters_are_named() -> None:
    admitted = admit("UNWIND range(1, $n) AS x MATCH (u:User {id: $id}) RETURN u, x")
    assert admitted.params == {"n", "id"}
    assert admitted.range_params == {"n"}


_PIECES = st.sampled_from(
    [
        "MATCH", "(n)", "(n:User)", "RETURN", "n", "CREATE", "SET", "n.x = 1", "DELETE", "//", "\n", "/*", "*/", "'", '"',
        "`", "\\", "\\u0027", "{", "}", "(", ")", "[", "]", "CALL", ";", "$p", "1", ".", "..", "*", "-", ">", "<", "WITH",
        "AS", "x", ",", ":", "|", "+", "UNION", "EXISTS", "WHERE", "\u2028", "\r", "\x00", "ſET", "IN", "TRANSACTIONS",
    ]
)  # fmt: skip


@st.composite
def spoil_friendly(draw: st.DrawFn) -> str:
    """Draw a query that analysts need, with a few pieces put in or left out."""
    words = draw(st.sampled_from(list_friendly())).split(" ")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words)))
        words[at : at + draw(st.integers(0, 2))] = draw(st.lists(_PIECES, max_size=1))
    return " ".join(words)


@settings(max_examples=1_000, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(_PIECES, max_size=25).map(" ".join),
        st.lists(_PIECES, max_size=25).map("".join),
        spoil_friendly(),
    )
)
def test_any_text_is_refused_in_words_or_stable(text: str) -> None:
    try:
        admitted = admit(text)
    except QueryRefused:
        return
    assert admit(admitted.text).text == admitted.text
    assert render(read_tokens(admitted.text)) == admitted.text
    words = {token.upper for token in read_tokens(admitted.text)}
    assert not words & {"CREATE", "DELETE", "TRANSACTIONS"} or "." in admitted.text or ":" in admitted.text


def test_a_long_text_is_refused_quickly() -> None:
    with pytest.raises(QueryRefused, match="characters"):
        admit("RETURN " + "1," * 100_000)
    with pytest.raises(QueryRefused, match="nested"):
        admit("RETURN " + "[" * 1_000)


def test_a_brace_behind_a_procedure_is_judged_like_any_other_text() -> None:
    with pytest.raises(QueryRefused):
        admit("CALL db.labels() { YIELD label ( RETURN label")
