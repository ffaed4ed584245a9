"""How text becomes what is searched for."""

from hypothesis import given
from hypothesis import strategies as st

from tuike.catalog import words


def lexemes(text: str) -> set[str]:
    return {part.split("'")[1] for part in words.make_lexemes([(text, "A")]).split()}


def test_chinese_is_kept_as_words_and_characters():
    assert {"红色", "连衣裙", "红", "裙"} <= lexemes("红色连衣裙")


def test_english_is_kept_as_written_and_as_its_stem():
    assert lexemes("Running SHOES") == {"running", "run", "shoes", "shoe"}


def test_full_width_and_half_width_are_the_same():
    assert lexemes("ＮＩＫＥ　５００ｍｌ") == lexemes("nike 500ml")


def test_a_query_asks_for_all_words_and_the_last_may_be_unfinished():
    assert words.make_query("nike sho") == "('nike') & ('sho' | 'sho':*)"
    assert words.make_query("连衣裙") == "('连衣裙' | ('连' <-> '衣' <-> '裙'))"
    assert words.make_loose_query("红裙") == "'红' & '裙'"


def test_a_query_without_words_asks_for_nothing():
    assert words.make_query(" -!?* ") is None
    assert words.make_loose_query("") is None


@given(st.text())
def test_no_text_breaks_out_of_its_quotes(text):
    for made in (words.make_lexemes([(text, "A"), (text, "D")]), words.make_query(text) or ""):
        assert made.count("'") % 2 == 0
        for quoted in made.split("'")[1::2]:
            assert quoted
            assert not set(quoted) & set("'\\ :&|!()<>")


def test_endless_text_stays_bounded():
    assert len(words.make_lexemes([("裙 dress " * 100_000, "D")])) < 10_000
    assert len(words.make_query("衣 " * 10_000) or "") < 200
    assert len(words.make_query("x" * 10_000) or "") < 200


def test_terms_complete_names_brands_and_categories():
    assert words.list_terms("红色连衣裙 A4", "Nike", "", "女装") == ["nike", "女装", "红色", "连衣裙", "a4"]
