"""What was learnt: weights and trees are read as they were written, and no evidence speaks for anybody."""

import numpy as np
import pytest

from tuike.risk.sweep.learnt import Learnt, read_learnt
from tuike.risk.sweep.weighing import FEATURES, FREE

NAMES = ("devices", "haste")


def make_learnt() -> Learnt:
    return Learnt(
        bias=-1.0,
        weights=np.array([2.0, 0.0]),
        asks=np.array([[0, 1, 1]]),
        bars=np.array([[0.5, 0.25, 0.75]]),
        adds=np.array([[0.1, 0.2, 0.3, 0.4]]),
    )


def test_a_tree_asks_once_more_below_its_bar_and_above() -> None:
    features = np.array([[0.5, 0.25], [0.5, 0.26], [0.6, 0.75], [0.6, 0.76]])
    odds = make_learnt().weigh(features) - (2.0 * features[:, 0] - 1.0)
    assert odds == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_what_was_learnt_is_read_as_it_was_written() -> None:
    learnt = make_learnt()
    again = Learnt.read(NAMES, learnt.write(NAMES))
    assert again.bias == learnt.bias
    for mine, theirs in zip(
        (learnt.weights, learnt.asks, learnt.bars, learnt.adds), (again.weights, again.asks, again.bars, again.adds),
        strict=True,
    ):  # fmt: skip
        assert mine.tolist() == theirs.tolist()


def test_features_are_found_by_name() -> None:
    turned = Learnt.read(NAMES[::-1], make_learnt().write(NAMES))
    features = np.random.default_rng(1).random((50, 2))
    assert turned.weigh(features[:, ::-1]) == pytest.approx(make_learnt().weigh(features))


def test_what_was_learnt_of_other_features_is_refused() -> None:
    with pytest.raises(ValueError, match="not those that hubs have"):
        Learnt.read(("devices", "hours"), make_learnt().write(NAMES))


def test_no_kind_of_evidence_speaks_against_a_ring() -> None:
    learnt = read_learnt(FEATURES)
    evidence = len(FEATURES) - FREE
    assert (learnt.weights[:evidence] >= 0).all()
    values = np.random.default_rng(2)
    bars = [np.unique(learnt.bars[learnt.asks == number]) for number in range(len(FEATURES))]
    at = np.column_stack([values.choice([0.0, *bar, 9.0], 400) for bar in bars])
    for number in range(evidence):
        more = at.copy()
        more[:, number] += values.random(400) * 3
        assert (learnt.weigh(more) >= learnt.weigh(at) - 1e-9).all(), FEATURES[number]


def test_the_odds_of_a_hub_do_not_depend_on_the_other_hubs() -> None:
    learnt = read_learnt(FEATURES)
    features = np.random.default_rng(3).random((64, len(FEATURES)))
    alone = [float(learnt.weigh(features[[hub]])[0]) for hub in range(64)]
    assert learnt.weigh(features).tolist() == alone
