"""Decisions of the catalogue."""

from tuike import commission
from tuike.catalog import ProductState, SkuDraft, rules
from tuike.commission.rules import LEVELS_CEILING


def test_rates_of_a_product_have_as_many_levels_as_commission_pays():
    assert rules._RATES_MAX == LEVELS_CEILING
    assert commission.check_rates((1, 1, 1), field="f") == (1, 1, 1)


def test_a_product_never_leaves_deleted_nor_becomes_a_draft_again():
    can = {(old, new) for old in ProductState for new in ProductState if rules.can_become(old, new)}
    assert not any(old is ProductState.DELETED for old, _ in can)
    assert {old for old, new in can if new is ProductState.DRAFT} == {ProductState.DRAFT}
    assert {old for old, new in can if new is ProductState.ON_SALE} == set(ProductState) - {ProductState.DELETED}


def test_skus_are_matched_by_id_first_and_by_spec_else():
    def match(*drafts):
        return rules.match_skus(drafts, by_id={"a": "a", "b": "b"}, by_spec={("red",): "a", ("blue",): "b"})

    red, blue, green = (SkuDraft(spec=(colour,), price_minor=1) for colour in ("red", "blue", "green"))
    assert match(red, green) == ["a", None]
    assert match(SkuDraft(spec=("red",), price_minor=1, id="b"), blue) == ["b", None]
    assert match(SkuDraft(spec=("red",), price_minor=1, id="of another product")) == ["a"]


def test_shoppers_see_a_change_of_stock_only_when_little_is_left():
    assert not rules.shows_change(500, 499)
    assert not rules.shows_change(20, 20)
    assert rules.shows_change(20, 19)
    assert rules.shows_change(0, 100)
