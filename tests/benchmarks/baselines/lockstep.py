"""Lockstep: buyers with much the same rare goods, by the cosine of their goods weighted by inverse frequency.

Static, as it is commonly done. Goods with more than 500 buyers say nothing and are left out. Two buyers who share three
goods or more at a cosine of at least 0.5 are linked; groups of at least three are cases, with the promoters who are
credited with at least a tenth of their orders.
"""

import numpy as np
from scipy import sparse

from tests.benchmarks.baselines.data import Data
from tests.benchmarks.baselines.verdicts import Verdicts, join, tell

POPULAR = 500
SHARED = 3
COSINE = 0.5
NEIGHBOURS = 5


def run_lockstep(data: Data, budget: int) -> Verdicts:
    count = len(data.accounts)
    width = int(data.order_sku.max()) + 1
    pairs = np.unique(data.order_buyer * width + data.order_sku)
    buyer, sku = pairs // width, pairs % width
    degree = np.bincount(sku, minlength=width)
    rare = degree[sku] <= POPULAR
    buyer, sku = buyer[rare], sku[rare]
    buyers = len(np.unique(data.order_buyer))
    weight = np.log(buyers / degree[sku])
    goods = sparse.csr_matrix((weight, (buyer, sku)), shape=(count, width))
    norms = np.sqrt(np.asarray(goods.multiply(goods).sum(axis=1)).ravel())
    unit = sparse.diags(1.0 / np.maximum(norms, 1e-12)) @ goods
    plain = sparse.csr_matrix((np.ones(len(buyer)), (buyer, sku)), shape=(count, width))
    scores = np.zeros(count)
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    active = np.flatnonzero(np.diff(plain.indptr) >= SHARED)
    for begin in range(0, len(active), 1000):
        rows = active[begin : begin + 1000]
        shared = (plain[rows] @ plain.T).tocoo()
        strong = shared.data >= SHARED
        from_row, to = rows[shared.row[strong]], shared.col[strong]
        apart = from_row != to
        from_row, to = from_row[apart], to[apart]
        cosine = np.asarray(unit[from_row].multiply(unit[to]).sum(axis=1)).ravel() if len(to) else np.empty(0)
        order = np.lexsort((-cosine, from_row))
        rank = np.arange(len(order)) - np.searchsorted(from_row[order], from_row[order])
        best = order[rank < NEIGHBOURS]
        np.add.at(scores, from_row[best], cosine[best])
        close = cosine >= COSINE
        left.append(from_row[close])
        right.append(to[close])
    a, b = np.concatenate(left), np.concatenate(right)
    cases = join(count, a, b)
    size = np.bincount(cases, minlength=count)
    flagged = size[cases] >= 3
    _add_promoters(data, scores, flagged, cases)
    return tell(data, scores, flagged, cases)


def _add_promoters(data: Data, scores: np.ndarray, flagged: np.ndarray, cases: np.ndarray) -> None:
    known = data.order_promoter >= 0
    buyer, promoter = data.order_buyer[known], data.order_promoter[known]
    total, sums = np.bincount(promoter, minlength=len(scores)), np.bincount(promoter, scores[buyer], len(scores))
    means = np.divide(sums, total, out=np.zeros(len(scores)), where=total > 0)
    scores[: data.promoter_count] = means[: data.promoter_count]
    inside = flagged[buyer]
    count = len(scores)
    keys, times = np.unique(cases[buyer[inside]] * count + promoter[inside], return_counts=True)
    case, seller = keys // count, keys % count
    whole = np.bincount(case, weights=times, minlength=int(cases.max()) + 1)
    for number, to in zip(
        seller[times >= 0.1 * whole[case]].tolist(), case[times >= 0.1 * whole[case]].tolist(), strict=True
    ):
        flagged[number], cases[number] = True, to
