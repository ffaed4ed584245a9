"""CatchSync (Jiang et al., KDD 2014): sources whose targets are alike (synchronicity) and unlike everybody's (normality).

Sources are buyers, targets are promoters; the features of a target are its in-degree and its authority (HITS); cells of
a logarithmic grid as in the paper. A source is suspicious when its synchronicity lies more than three standard deviations
above the mean of the residuals over the parabola that bounds it from below; a target when most of its sources are.
"""

import numpy as np
from scipy import sparse

from tests.benchmarks.baselines.data import Data
from tests.benchmarks.baselines.verdicts import Verdicts, join_by_orders, tell

CELLS = 20
DEVIATIONS = 3.0
FEWEST_TARGETS = 2
TARGET_SHARE = 0.5


def run_catchsync(data: Data, budget: int) -> Verdicts:
    count = len(data.accounts)
    known = data.order_promoter >= 0
    pairs = np.unique(data.order_buyer[known] * count + data.order_promoter[known])
    source, target = pairs // count, pairs % count
    scores, flagged = np.zeros(count), np.zeros(count, np.bool_)
    if not len(pairs):
        return tell(data, scores, flagged, np.zeros(count, np.int64))
    cell = _place_targets(source, target, count)
    cells = int(cell.max()) + 1
    spread = sparse.coo_matrix((np.ones(len(source)), (source, cell[target])), shape=(count, cells)).tocsr()
    targets = np.asarray(spread.sum(axis=1)).ravel()
    everybody = np.bincount(cell[target], minlength=cells) / len(target)
    rows = targets >= FEWEST_TARGETS
    share = spread[rows].multiply(1.0 / targets[rows][:, None]).tocsr()
    synchronicity = np.asarray(share.multiply(share).sum(axis=1)).ravel()
    normality = share @ everybody
    lower = _bound_below(normality, float((everybody**2).sum()), cells)
    residual = np.zeros(count)
    residual[rows] = synchronicity - lower
    mean, deviation = residual[rows].mean(), residual[rows].std() or 1.0
    flagged = residual > mean + DEVIATIONS * deviation
    scores = np.maximum(residual - residual.min(), 0)
    suspicious = np.bincount(target, weights=flagged[source], minlength=count)
    sources = np.bincount(target, minlength=count)
    part = np.divide(suspicious, sources, out=np.zeros(count), where=sources > 0)
    scores = np.where(sources > 0, part * scores.max(), scores)
    flagged |= part >= TARGET_SHARE
    return tell(data, scores, flagged, join_by_orders(data, flagged))


def _place_targets(source: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    matrix = sparse.coo_matrix((np.ones(len(source)), (source, target)), shape=(count, count)).tocsr()
    authority = np.ones(count)
    for _ in range(20):
        authority = matrix.T @ (matrix @ authority)
        authority /= np.linalg.norm(authority) or 1.0
    degree = np.bincount(target, minlength=count)
    features = []
    for feature in (degree, authority):
        logs = np.log(np.maximum(feature, 1e-12))
        used = logs[degree > 0]
        width = (used.max() - used.min()) / CELLS or 1.0
        features.append(((logs - used.min()) / width).clip(0, CELLS - 1).astype(np.int64))
    return features[0] * CELLS + features[1]


def _bound_below(normality: np.ndarray, background: float, cells: int) -> np.ndarray:
    """Return the least synchronicity that goes with a normality (theorem 1 of the paper)."""
    numerator = -cells * normality**2 + 2 * normality - background
    denominator = 1 - cells * background
    return numerator / denominator if abs(denominator) > 1e-9 else np.zeros_like(normality)
