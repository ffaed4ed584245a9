"""Compiled kernels against plain ones."""

from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuike.risk.sweep import kernels
from tuike.risk.sweep.trade import to_starts

EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40)


@settings(deadline=None, max_examples=60)
@given(EDGES, st.integers(2, 4))
def test_cycles_are_counted_exactly(edges: list[tuple[int, int]], longest: int) -> None:
    distinct = sorted({(a, b) for a, b in edges if a != b})
    sources = np.array([a for a, _ in distinct], np.int64)
    targets = np.array([b for _, b in distinct], np.int64)
    on_edge = np.zeros(len(distinct), np.int64)
    found = kernels.find_cycles(to_starts(sources, 10), targets, on_edge, longest)
    cycles = list(nx.simple_cycles(nx.DiGraph(distinct), length_bound=longest))
    assert found.tolist() == [sum(len(cycle) == length for cycle in cycles) for length in range(5)]
    assert on_edge.sum() == sum(map(len, cycles))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(1, 9)), max_size=25), st.randoms())
def test_the_core_of_a_vertex_does_not_depend_on_its_number(edges: list[tuple[int, int, int]], random) -> None:  # type: ignore[no-untyped-def]
    weights = {(min(a, b), max(a, b)): weight for a, b, weight in edges if a != b}
    renamed = list(range(8))
    random.shuffle(renamed)

    def run(names: list[int]) -> tuple[np.ndarray, int]:
        both = sorted(
            edge
            for (a, b), weight in weights.items()
            for edge in ((names[a], names[b], weight), (names[b], names[a], weight))
        )
        columns = np.array(both, np.int64).reshape(-1, 3)
        starts = to_starts(columns[:, 0], 8)
        core, best = kernels.peel(starts, columns[:, 1].astype(np.int32), columns[:, 2].copy(), np.zeros(8, bool))
        return core, best

    plain, best = run(list(range(8)))
    core, best_renamed = run(renamed)
    assert [core[renamed[v]] for v in range(8)] == plain.tolist()
    assert best == best_renamed
    densest = plain >= best
    inside = sum(weight for (a, b), weight in weights.items() if densest[a] and densest[b])
    assert inside / max(1, densest.sum()) >= sum(weights.values()) / 8


WEIGHTED = st.dictionaries(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]),
    st.integers(1, 900),
    max_size=30,
)


def _peel_plainly(weights: dict[tuple[int, int], int], vertices: set[int]) -> tuple[dict[int, int], int]:
    core: dict[int, int] = {}
    level, best, best_density = -1, 0, -1.0
    left = set(vertices)
    while left:
        inside = {pair: weight for pair, weight in weights.items() if left.issuperset(pair)}
        degree = {v: sum(weight for pair, weight in inside.items() if v in pair) for v in left}
        weakest = min(left, key=degree.__getitem__)
        if degree[weakest] > level:
            level = degree[weakest]
            if sum(inside.values()) / len(left) > best_density:
                best, best_density = level, sum(inside.values()) / len(left)
        core[weakest] = level
        left.remove(weakest)
    return core, best


@settings(deadline=None, max_examples=100)
@given(WEIGHTED, st.sets(st.integers(0, 9)))
def test_peeling_is_that_of_a_plain_loop_also_without_those_who_are_gone(
    weights: dict[tuple[int, int], int], gone: set[int]
) -> None:
    left, right = (np.array([pair[side] for pair in weights], np.int32) for side in (0, 1))
    starts, targets, both = kernels.list_neighbours(left, right, np.array(list(weights.values()), np.int64), 10)
    core, best = kernels.peel(starts, targets, both, np.array([v in gone for v in range(10)]))
    rest = set(range(10)) - gone
    plain, plain_best = _peel_plainly(weights, rest)
    assert core.tolist() == [plain.get(v, -1) for v in range(10)]
    assert best == plain_best


@settings(deadline=None, max_examples=100)
@given(WEIGHTED.filter(bool))
def test_the_dense_vertices_hold_the_densest_part_also_once_it_is_gone(weights: dict[tuple[int, int], int]) -> None:
    left, right = (np.array([pair[side] for pair in weights], np.int32) for side in (0, 1))
    starts, targets, both = kernels.list_neighbours(left, right, np.array(list(weights.values()), np.int64), 10)
    bound = np.full(10, sum(weights.values()))
    rest = set(range(10))
    while rest:
        core, best = kernels.peel(starts, targets, both, ~kernels.find_dense(starts, targets, both, bound))
        plain, plain_best = _peel_plainly(weights, rest)
        densest = {v for v in rest if plain[v] >= plain_best}
        assert best == plain_best
        assert set(np.flatnonzero(core >= best).tolist()) == densest
        rest -= densest
        bound[list(densest)] = -1


def test_equal_items_are_counted_within_their_group() -> None:
    equal = kernels.count_equal(np.array([0, 4, 4, 6]), np.array([3, 0, 3, 3, 3, 1]), 4)
    assert equal.tolist() == [3, 1, 3, 3, 1, 1]


def test_neighbours_are_listed_at_both_ends() -> None:
    left, right = np.array([0, 3, 1], np.int32), np.array([1, 0, 3], np.int32)
    starts, targets, weights = kernels.list_neighbours(left, right, np.array([5, 6, 7]), 4)
    listed = [sorted(zip(targets[a:b].tolist(), weights[a:b].tolist(), strict=True)) for a, b in pairwise(starts)]
    assert listed == [[(1, 5), (3, 6)], [(0, 5), (3, 7)], [], [(0, 6), (1, 7)]]


def test_pairs_within_a_window_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    groups = np.sort(rng.integers(0, 6, 80))
    at = rng.integers(0, 100, 80)
    order = np.lexsort((at, groups))
    groups, at, owner = groups[order], at[order], rng.integers(0, 10, 80)
    near = np.zeros(80, np.int64)
    kernels.count_near(to_starts(groups, 6), at, owner, 7, 1000, near)
    expected = [
        sum(groups[i] == groups[j] and abs(at[i] - at[j]) <= 7 and owner[i] != owner[j] for j in range(80) if j != i)
        for i in range(80)
    ]
    assert near.tolist() == expected


def test_logarithms_are_those_of_numpy_within_two_millionths() -> None:
    values = np.exp(np.random.default_rng(6).normal(0.0, 8.0, 1000))
    values[:3] = 1.0, 2.0, 0.5
    room, logs = np.empty(1000), np.empty(1000)
    kernels.take_logs(values, values.view(np.int64), room, room.view(np.int64), logs)
    assert np.abs(logs - np.log(values)).max() < 2e-6
    assert logs[0] == 0.0


def test_bins_are_counted_over_the_hubs_that_have_a_vote() -> None:
    rng = np.random.default_rng(7)
    features, starts = rng.integers(0, 4, (12, 3)).astype(np.int8), np.array([0, 5, 5, 9, 12])
    classes, votes = np.array([0, 1, 1, 0]), np.array([True, True, False, True])
    tables = np.zeros((2, 3, 4))
    kernels.count_bins(features, classes, starts, votes, tables)
    plain = np.zeros((2, 3, 4))
    for hub in np.flatnonzero(votes):
        for row in features[starts[hub] : starts[hub + 1]]:
            plain[classes[hub], range(3), row] += 1
    assert np.array_equal(tables, plain)


def _fit_plainly(
    rows: np.ndarray, ordinary: np.ndarray, weights: np.ndarray, shrink: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one hub dealing by dealing; `ordinary[trait, bin]`, the last bin tells nothing."""
    size, traits = rows.shape
    unknown = rows == ordinary.shape[1] - 1
    usual = ordinary[np.arange(traits), rows]
    alike = np.array([(rows == row).sum(axis=0) for row in rows])
    ratio = np.where(unknown, 1.0, (alike - 1 + shrink * usual) / (size - 1 + shrink) / usual)
    share = 1.0 / (1.0 + np.exp(-np.clip(np.log(ratio) @ weights, -30, 30)))
    mix, llr = 0.5, np.zeros(rows.shape)
    for _ in range(15):
        before, heavy = share.copy(), share.sum()
        for i in range(size):
            own = ((rows == rows[i]) * before[:, None]).sum(axis=0)
            here = (np.maximum(own - before[i], 0.0) + shrink * usual[i]) / (max(heavy - before[i], 0.0) + shrink)
            llr[i] = weights * np.clip(np.log(np.where(unknown[i], 1.0, here / usual[i])), -4.0, 5.0)
            share[i] = 1.0 / (1.0 + np.exp(-np.clip(np.log(mix / (1 - mix)) + llr[i].sum(), -30, 30)))
        mix = min(0.97, max(0.03, (heavy + 0.5) / (size + 1.0)))
        if np.abs(share - before).max() < 1e-4 or heavy < 1.0:
            break
    return share, llr[share >= 0.5].sum(axis=0)


def test_a_hub_is_fitted_as_a_plain_loop_fits_it() -> None:
    rng = np.random.default_rng(8)
    sizes = [1, 40, 2, 75, 3]
    features = rng.integers(0, 5, (sum(sizes), 6)).astype(np.int8)
    features[3:15] = 0
    starts = np.concatenate(([0], np.cumsum(sizes)))
    weights, pooled = rng.uniform(0.4, 1.0, 6), np.full((6, 5), 0.2)
    tables = rng.integers(200, 900, (1, 6, 5)).astype(np.float64)
    totals = np.array([2500.0])
    share, sums = np.zeros(features.shape[0]), np.zeros((5, 6))
    classes, votes = np.zeros(5, np.int64), np.zeros(5, bool)
    kernels.fit_hubs(starts, features, classes, votes, tables, pooled, totals, weights, 3.0, share, sums)
    ordinary = (tables[0] + 100.0 * pooled) / (totals[0] + 100.0)
    for hub, (first, end) in enumerate(pairwise(starts.tolist())):
        plain = _fit_plainly(features[first:end], ordinary, weights, 3.0) if end - first > 2 else (0.0, 0.0)
        assert np.allclose(share[first:end], plain[0], atol=1e-4)
        assert np.allclose(sums[hub], plain[1], atol=1e-3)
    assert (share[3:15] > 0.5).all()


def test_meetings_are_listed_and_added_up_as_by_a_plain_loop() -> None:
    rng = np.random.default_rng(9)
    group, at, buyer = rng.integers(0, 5, 120), rng.integers(0, 60, 120), rng.integers(0, 12, 120)
    order = np.lexsort((at, group))
    group, at, part = group[order], at[order], rng.choice([1.0, 0.5], 120)
    windows, worth = np.array([2, 5, 9, 30]), rng.uniform(0.0, 9.0, (5, 3))
    listed = kernels.list_meetings(to_starts(group, 5), at, buyer, part, windows, worth, 6, 2.0, 64, 12)
    plain: dict[tuple[int, int], int] = {}
    for i in range(120):
        for j in range(i + 1, min(120, i + 7)):
            gap = at[j] - at[i]
            if group[i] == group[j] and gap <= 9 and buyer[i] != buyer[j]:
                nats = worth[group[i], np.searchsorted(windows, gap)]
                if nats >= 2.0:
                    pair = min(buyer[i], buyer[j]), max(buyer[i], buyer[j])
                    plain[pair] = plain.get(pair, 0) + round(float(nats) * max(part[i], part[j]) * 64)
    found = kernels.add_up_meetings(np.sort(listed), 12, 400)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == [
        (*pair, units) for pair, units in sorted(plain.items()) if units >= 400
    ]
    assert 0 < found[0].size < len(plain)


def test_gaps_within_windows_are_counted_as_by_a_plain_loop() -> None:
    rng = np.random.default_rng(10)
    group, at = rng.integers(0, 4, 60), rng.integers(0, 100, 60)
    order = np.lexsort((at, group))
    group, at = group[order], at[order]
    windows, near = np.array([0, 3, 40]), np.zeros((4, 3), np.int64)
    kernels.count_gaps(to_starts(group, 4), at, windows, near)
    assert near.tolist() == [
        [sum(b - a <= window for a, b in combinations(at[group == g].tolist(), 2)) for window in windows]
        for g in range(4)
    ]


def test_values_of_a_group_are_added_and_compared_as_numpy_does() -> None:
    rng = np.random.default_rng(11)
    group, values = rng.integers(0, 7, 50), rng.integers(-5, 90, 50)
    sums, greatest, least = np.zeros(7, np.int64), np.full(7, -9), np.full(7, 99)
    kernels.add_known(group, values, 3, sums)
    kernels.take_greatest(group, values, greatest)
    kernels.take_least(group, values, least)
    for number in range(7):
        own = values[group == number]
        assert (sums[number], greatest[number], least[number]) == (
            own[own != 3].sum(),
            max([-9, *own]),
            min([99, *own]),
        )


def test_the_cheapest_goods_of_an_order_have_a_code_of_all_that_are_as_cheap() -> None:
    rng = np.random.default_rng(12)
    order, price, goods = rng.integers(0, 9, 40), rng.integers(-1, 3, 40), rng.integers(-1, 6, 40).astype(np.int32)
    order[order == 4] = 5
    plain = [min(zip(price[order == n], goods[order == n], strict=True), default=(0, -2))[1] for n in range(9)]
    cheapest = [sorted(goods[order == n][price[order == n] == price[order == n].min(initial=9)]) for n in range(9)]
    chosen, code = kernels.find_cheapest(order, price, goods, 9)
    assert chosen.tolist() == plain
    assert [value > 0 for value in code.tolist()] == [len(set(one)) > 1 for one in cheapest]
    again = rng.permutation(40)
    assert kernels.find_cheapest(order[again], price[again], goods[again], 9)[1].tolist() == code.tolist()


@settings(deadline=None)
@given(st.lists(st.floats(0, 3), max_size=40))
def test_close_numbers_are_counted_as_by_numpy(numbers: list[float]) -> None:
    scaled = np.sort(np.array(numbers, np.float64))
    plain = np.searchsorted(scaled, scaled + 0.1, side="right") - np.searchsorted(scaled, scaled - 0.1, side="left")
    assert kernels.count_close(scaled, 0.1).tolist() == plain.tolist()


def test_groups_are_spread_over_those_who_ask_for_them() -> None:
    starts, items = np.array([0, 2, 2, 5]), np.array([7, 8, 4, 5, 6], np.int32)
    row, found = kernels.spread(starts, items, np.array([2, 0, 1, 2]))
    assert list(zip(row.tolist(), found.tolist(), strict=True)) == [
        (0, 4), (0, 5), (0, 6), (1, 7), (1, 8), (3, 4), (3, 5), (3, 6),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [9, 70_000, 2**22])
def test_positions_are_sorted_by_few_and_by_many_keys(count: int) -> None:
    keys = np.random.default_rng(18).integers(0, count, 500).astype(np.int32)
    keys[7::40] = count - 1
    assert kernels.sort_by(keys, count, None).tolist() == np.argsort(keys, kind="stable").tolist()


def test_a_lag_is_the_time_since_the_last_touch_of_the_same_pair() -> None:
    rng = np.random.default_rng(13)
    pairs, at = rng.integers(0, 6, 60), rng.integers(0, 50, 60)
    touches, lags = 35, np.full(25, -1)
    order = np.lexsort((np.arange(60) >= touches, at, pairs))
    kernels.measure_lags(order, pairs, at, touches, lags)
    for row in range(touches, 60):
        earlier = at[:touches][(pairs[:touches] == pairs[row]) & (at[:touches] <= at[row])]
        assert lags[row - touches] == (at[row] - earlier.max() if earlier.size else -1)


def test_those_who_meet_often_are_paired_with_what_their_targets_are_worth() -> None:
    rng = np.random.default_rng(14)
    meetings = np.unique(rng.integers(0, [9, 14], (70, 2)), axis=0)
    target, member = meetings.T
    units, by_member = rng.integers(1, 50, 9), np.argsort(member, kind="stable")
    found = kernels.meet_often(
        to_starts(target, 9), member, to_starts(member[by_member], 14), target[by_member], units, 3
    )
    common = {
        (a, b): set(target[member == a].tolist()) & set(target[member == b].tolist())
        for a, b in combinations(range(14), 2)
    }
    plain = [(*pair, units[sorted(targets)].sum()) for pair, targets in common.items() if len(targets) >= 3]
    assert sorted(zip(*(column.tolist() for column in found), strict=True)) == plain
    assert plain


def test_orders_are_measured_for_each_dealing_as_by_a_plain_loop() -> None:
    rng = np.random.default_rng(15)
    at, paid, received, refunded, lag = (np.where(rng.random(30) < 0.7, rng.integers(0, 99, 30), -1) for _ in range(5))
    registered = np.where(rng.random(8) < 0.7, rng.integers(0, 99, 8), -1)
    order, dealing, buyer = rng.integers(0, 30, 40), rng.integers(0, 11, 40), rng.integers(0, 8, 40).astype(np.int32)
    found = kernels.measure_orders(
        order, dealing, buyer, at, paid, received, refunded, lag, registered, -1, 20, 12
    )  # fmt: skip

    def tell_gap(late: int, early: int) -> list[int]:
        return [] if -1 in {late, early} else [late - early]

    for number in range(12):
        rows = [(order[i], buyer[i]) for i in np.flatnonzero(dealing == number)]
        gaps = [
            [gap for row, who in rows for gap in tell_gap(at[row], registered[who])],
            [lag[row] for row, _ in rows if lag[row] != -1],
            [gap for row, _ in rows for gap in tell_gap(paid[row], at[row])],
            [gap for row, _ in rows for gap in tell_gap(received[row], paid[row])],
        ]
        settled = [(row, received[row] if received[row] != -1 else max(at[row], paid[row])) for row, _ in rows]
        late = sum(gap >= 20 for row, when in settled for gap in tell_gap(refunded[row], when))
        assert [column[number] for column in found] == [*(min(gap, default=-1) for gap in gaps), late]


def test_packed_bins_sort_as_their_rows_do() -> None:
    rows = np.random.default_rng(16).integers(0, 3, (60, 5)).astype(np.int8)
    first, second = kernels.pack_bins(rows, 3)
    assert rows[np.lexsort((second, first))].tolist() == sorted(rows.tolist())


def test_the_nearest_event_of_another_kind_is_found_whatever_the_order_of_one_instant() -> None:
    at = np.array([0, 10, 10, 10, 50, 7, 9])
    starts = np.array([0, 5, 7])
    for kind in ([1, 1, 1, 2, 1, 3, 3], [1, 1, 2, 1, 1, 3, 3], [1, 2, 1, 1, 1, 3, 3]):
        gaps = np.full(at.size, 999)
        kernels.measure_gaps_to_others(starts, at, np.array(kind), gaps)
        assert gaps.tolist() == [10, 0, 0, 0, 40, 999, 999]
