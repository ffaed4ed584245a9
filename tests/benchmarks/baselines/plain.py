"""Plain detectors: shared identity, equality rules, degree, chance."""

import numpy as np

from tests.benchmarks.baselines.data import Data
from tests.benchmarks.baselines.verdicts import Verdicts, flag_top, join, join_by_orders, tell

FEW = 10


def run_identity(data: Data, budget: int) -> Verdicts:
    """Components over identifiers that at most ten accounts share; three accounts or more are a case."""
    count = len(data.accounts)
    width = int(data.identifier_value.max(initial=0)) + 1
    pairs = np.unique(data.identifier_account * width + data.identifier_value)
    account, value = pairs // width, pairs % width
    users = np.bincount(value, minlength=width)
    used = (users[value] >= 2) & (users[value] <= FEW)
    components = join(count + width, account[used], value[used] + count)[:count]
    own = np.arange(count)
    own[data.same_buyer] = data.same_promoter
    people = np.bincount(np.unique(components * count + own) // count, minlength=components.max(initial=0) + 1)
    size = people[components]
    return tell(data, np.where(size >= 2, size, 0).astype(float), size >= 3, components)


def run_equality(data: Data, budget: int) -> Verdicts:
    """A buyer who has an identifier in common with the promoter credited; promoters with one payout account."""
    count = len(data.accounts)
    width = int(data.identifier_value.max(initial=0)) + 1
    known = data.order_promoter >= 0
    same = set((data.same_buyer * count + data.same_promoter).tolist())
    dealt = np.unique(data.order_buyer[known] * count + data.order_promoter[known])
    dealt = dealt[[pair not in same for pair in dealt.tolist()]] if len(dealt) else dealt
    of: dict[int, set[int]] = {}
    for account, value in np.unique(np.stack((data.identifier_account, data.identifier_value)), axis=1).T.tolist():
        of.setdefault(account, set()).add(value)
    scores = np.zeros(count)
    left, right = [], []
    for pair in dealt.tolist():
        buyer, promoter = pair // count, pair % count
        shared = len(of.get(buyer, set()) & of.get(promoter, set()))
        if shared:
            scores[buyer] += shared
            scores[promoter] += shared
            left.append(buyer)
            right.append(promoter)
    payout = data.identifier_kind == "payout_account"
    pairs = np.unique(data.identifier_account[payout] * width + data.identifier_value[payout])
    account, value = pairs // width, pairs % width
    users = np.bincount(value, minlength=width)
    scores += np.bincount(account, weights=users[value] - 1, minlength=count)
    shared_payout = users[value] >= 2
    hubs = value[shared_payout] + count
    cases = join(count + width, np.concatenate((np.array(left, np.int64), account[shared_payout])),
                 np.concatenate((np.array(right, np.int64), hubs)))[:count]  # fmt: skip
    return tell(data, scores, scores > 0, cases)


def run_degree(data: Data, budget: int) -> Verdicts:
    """Who has the most order lines."""
    count = len(data.accounts)
    known = data.order_promoter >= 0
    lines = np.bincount(data.order_buyer, minlength=count)
    lines = lines + np.bincount(data.order_promoter[known], minlength=count)
    return flag_top(data, lines.astype(float), budget)


def run_random(data: Data, budget: int) -> Verdicts:
    """Anybody."""
    scores = np.random.default_rng(1).random(len(data.accounts))
    flagged = np.zeros(len(scores), np.bool_)
    flagged[np.argsort(-scores)[:budget]] = True
    return tell(data, scores, flagged, join_by_orders(data, flagged))
