"""Scores and groups as verdicts for the judge."""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from tests.benchmarks.baselines.data import Data
from tuike.risk.worlds import Verdict

Verdicts = dict[tuple[str, str], Verdict]


def flag_top(data: Data, scores: np.ndarray, budget: int) -> Verdicts:
    """Flag the `budget` highest scores above 0; who is joined by orders is one case."""
    order = np.argsort(-scores, kind="stable")[:budget]
    flagged = np.zeros(len(scores), np.bool_)
    flagged[order[scores[order] > 0]] = True
    return tell(data, scores, flagged, join_by_orders(data, flagged))


def join_by_orders(data: Data, flagged: np.ndarray) -> np.ndarray:
    """Return a case number for each account: flagged buyers and promoters joined by orders."""
    both = (data.order_promoter >= 0) & flagged[data.order_buyer] & flagged[data.order_promoter]
    return join(len(data.accounts), data.order_buyer[both], data.order_promoter[both])


def join(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the number of the component of each of `count` things."""
    matrix = sparse.coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    return csgraph.connected_components(matrix, directed=False)[1].astype(np.int64)


def tell(data: Data, scores: np.ndarray, flagged: np.ndarray, cases: np.ndarray) -> Verdicts:
    """Return verdicts."""
    return {
        account: Verdict(score, flag, f"c{case}" if flag else "")
        for account, score, flag, case in zip(
            data.accounts, scores.astype(float).tolist(), flagged.tolist(), cases.tolist(), strict=True)
    }  # fmt: skip
