"""FRAUDAR (Hooi et al., KDD 2016): the densest block of a bipartite graph, columns weighted by 1/log(degree + 5).

As the authors' `detectMultiple` does, blocks are taken one after another, the edges of each removed before the next.
Run on buyers × goods and on buyers × promoters; ten blocks.
"""

import numpy as np
from numba import njit

from tests.benchmarks.baselines.data import Data
from tests.benchmarks.baselines.verdicts import Verdicts, tell

BLOCKS = 10


def run_fraudar_goods(data: Data, budget: int) -> Verdicts:
    return _run(data, data.order_buyer, data.order_sku, has_promoters=False)


def run_fraudar_promoters(data: Data, budget: int) -> Verdicts:
    known = data.order_promoter >= 0
    return _run(data, data.order_buyer[known], data.order_promoter[known], has_promoters=True)


def _run(data: Data, buyers: np.ndarray, columns: np.ndarray, *, has_promoters: bool) -> Verdicts:
    count = len(data.accounts)
    scores, cases = np.zeros(count), np.full(count, -1)
    width = int(columns.max()) + 1 if len(columns) else 1
    pairs = np.unique(buyers * width + columns)
    left, right = pairs // width, pairs % width
    for block in range(BLOCKS):
        if not len(left):
            break
        rows, cols, density = find_block(left, right, count, width)
        members = np.flatnonzero(rows)
        if has_promoters:
            members = np.concatenate((members, np.flatnonzero(cols)))
        else:
            inside = cols[data.order_sku] & rows[data.order_buyer] & (data.order_promoter >= 0)
            sellers, times = np.unique(data.order_promoter[inside], return_counts=True)
            members = np.concatenate((members, sellers[times >= 0.2 * times.sum()] if len(times) else sellers))
        fresh = members[cases[members] < 0]
        scores[fresh], cases[fresh] = density, block
        outside = ~(rows[left] & cols[right])
        left, right = left[outside], right[outside]
    return tell(data, scores, cases >= 0, cases)


def find_block(left: np.ndarray, right: np.ndarray, rows: int, cols: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return which rows and columns are in the block of the highest mean suspiciousness, and how high that is."""
    degree = np.bincount(right, minlength=cols)
    weight = 1.0 / np.log(degree[right] + 5.0)
    node = np.concatenate((left, right + rows))
    other = np.concatenate((right + rows, left))
    order = np.argsort(node, kind="stable")
    start = np.searchsorted(node[order], np.arange(rows + cols + 1))
    present = np.diff(start) > 0
    kept, density = _peel(start, other[order], np.concatenate((weight, weight))[order], present)
    return kept[:rows], kept[rows:], density


@njit(cache=True)
def _peel(start, other, weight, present):
    """Remove the lightest node again and again, by a binary heap of (weight, node) with stale entries skipped."""
    count = len(present)
    total = np.zeros(count)
    heap_key = np.empty(len(other) + count)
    heap_node = np.empty(len(other) + count, np.int64)
    size = 0
    mass, left = 0.0, 0
    for node in range(count):
        for edge in range(start[node], start[node + 1]):
            total[node] += weight[edge]
        if present[node]:
            mass += total[node]
            left += 1
            size = _push(heap_key, heap_node, size, total[node], node)
    mass /= 2
    alive = present.copy()
    removed = np.empty(left, np.int64)
    best, best_at = mass / max(left, 1), 0
    step, everybody = 0, left
    while left > 0:
        key, node = heap_key[0], heap_node[0]
        size = _pop(heap_key, heap_node, size)
        if not alive[node] or key > total[node] + 1e-9:
            continue
        alive[node] = False
        mass -= total[node]
        left -= 1
        removed[step] = node
        step += 1
        for edge in range(start[node], start[node + 1]):
            to = other[edge]
            if alive[to]:
                total[to] -= weight[edge]
                size = _push(heap_key, heap_node, size, total[to], to)
        if left > 0 and mass / left > best:
            best, best_at = mass / left, step
    kept = np.zeros(count, np.bool_)
    for index in range(best_at, everybody):
        kept[removed[index]] = True
    return kept, best


@njit(cache=True)
def _push(keys, nodes, size, key, node):
    at = size
    while at > 0:
        up = (at - 1) // 2
        if keys[up] <= key:
            break
        keys[at], nodes[at] = keys[up], nodes[up]
        at = up
    keys[at], nodes[at] = key, node
    return size + 1


@njit(cache=True)
def _pop(keys, nodes, size):
    size -= 1
    key, node = keys[size], nodes[size]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and keys[down + 1] < keys[down]:
            down += 1
        if keys[down] >= key:
            break
        keys[at], nodes[at] = keys[down], nodes[down]
        at = down
    keys[at], nodes[at] = key, node
    return size
