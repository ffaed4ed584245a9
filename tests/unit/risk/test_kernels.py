"""Compiled kernels against plain ones."""

from itertools import pairwise

import networkx as nx
import numpy as np
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
        core, best, _ = kernels.peel(starts, columns[:, 1].astype(np.int32), columns[:, 2].copy(), np.zeros(8, bool))
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
    core, best, edges = kernels.peel(starts, targets, both, np.array([v in gone for v in range(10)]))
    rest = set(range(10)) - gone
    plain, plain_best = _peel_plainly(weights, rest)
    assert core.tolist() == [plain.get(v, -1) for v in range(10)]
    assert best == plain_best
    assert edges == sum(rest.issuperset(pair) for pair in weights)


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
