"""Sorting, numbering and searching against numpy and plain sorting."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuike.risk.model import MISSING
from tuike.risk.sweep import ordering
from tuike.risk.sweep.trade import SECOND, Places, group_by, sort_by

WHOLE = st.integers(-(2**61), 2**61)
NARROW = st.integers(-2, 2)
STEPPED = st.integers(0, 2**21).map(lambda number: number * SECOND)
ROWS = st.lists(
    st.tuples(NARROW, st.one_of(st.just(MISSING), STEPPED), st.one_of(st.just(MISSING), NARROW, WHOLE), NARROW),
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(ROWS)
@example([(1, MISSING, MISSING, 0)] * 3)
@example([(0, 0, 2**61, 1), (0, 0, -(2**61), 2), (0, 0, -(2**61), -2)])
def test_rows_are_sorted_by_their_columns_and_the_unknown_comes_first(rows: list[tuple[int, ...]]) -> None:
    columns = [np.array([row[number] for row in rows], np.int64) for number in range(4)]
    order = sort_by(*columns[:3], columns[3].astype(np.int8))
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert [rows[number] for number in order] == sorted(rows)


@pytest.mark.parametrize(
    ("first_max", "second_max"), [(2**10, 2**20), (2**30, 2**20), (2**30, 2**25), (2**45, 2), (1, 2**61)]
)
def test_many_rows_are_sorted_and_grouped_as_numpy_does(first_max: int, second_max: int) -> None:
    rng = np.random.default_rng(17)
    first, second = (rng.choice(rng.integers(0, most, 4000), 6000) for most in (first_max, second_max))
    order = sort_by(first, second)
    assert sorted(order.tolist()) == list(range(6000))
    plain = np.lexsort((second, first))
    assert np.array_equal(first[order], first[plain])
    assert np.array_equal(second[order], second[plain])
    keys = first * (2**62 // first_max) + second % (2**62 // first_max)
    found, number = np.unique(keys, return_inverse=True)
    groups = group_by(keys)
    assert np.array_equal(keys[groups.first], found)
    assert np.array_equal(groups.number, number)


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), max_size=40))
def test_groups_are_numbered_as_numpy_numbers_them(keys: list[int]) -> None:
    values = np.array(keys, np.int64)
    groups = group_by(values)
    found, number, size = np.unique(values, return_inverse=True, return_counts=True)
    assert values[groups.first].tolist() == found.tolist()
    assert groups.number.tolist() == number.tolist()
    assert groups.size.tolist() == size.tolist()
    assert values[groups.order].tolist() == sorted(keys)


@settings(deadline=None)
@given(st.lists(st.one_of(NARROW, WHOLE), max_size=40), st.lists(st.one_of(NARROW, WHOLE), max_size=40))
@example([5], [4, 5, 6])
def test_places_are_those_that_numpy_finds(numbers: list[int], asked: list[int]) -> None:
    found, values = np.sort(np.array(numbers, np.int64)), np.array([*asked, *numbers], np.int64)
    places = Places(found)
    assert places.count_less(values).tolist() == np.searchsorted(found, values, side="left").tolist()
    assert places.count_up_to(values).tolist() == np.searchsorted(found, values, side="right").tolist()


@settings(deadline=None)
@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_what_two_sorted_columns_have_in_common_is_marked(left: set[int], right: set[int]) -> None:
    common = ordering.mark_common(np.array(sorted(left), np.int64), np.array(sorted(right), np.int64))
    assert common.tolist() == [number in right for number in sorted(left)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), max_size=40))
def test_values_that_occur_more_than_once_are_listed_once(numbers: list[int]) -> None:
    repeated = ordering.list_repeated(np.sort(np.array(numbers, np.int64)))
    assert repeated.tolist() == [number for number in range(13) if numbers.count(number) > 1]
