"""Compiled kernels against plain ones."""

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
        return kernels.peel(
            to_starts(columns[:, 0], 8), columns[:, 1].copy(), columns[:, 2].copy(), np.zeros(8, np.int64)
        )

    plain, best = run(list(range(8)))
    core, best_renamed = run(renamed)
    assert [core[renamed[v]] for v in range(8)] == plain.tolist()
    assert best == best_renamed
    densest = plain >= best
    inside = sum(weight for (a, b), weight in weights.items() if densest[a] and densest[b])
    assert inside / max(1, densest.sum()) >= sum(weights.values()) / 8


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
