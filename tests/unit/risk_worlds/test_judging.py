"""The judge: precision, rings found, money, confounders, average precision."""

from pathlib import Path

import pytest

from tuike.risk import worlds
from tuike.risk.worlds.judging import FraudOrder, RingTruth, measure_average_precision, measure_overlap

RING = frozenset({("promoter", "p1"), ("buyer", "b1"), ("buyer", "b2"), ("buyer", "b3")})
EVERYBODY = [("promoter", f"p{n}") for n in range(1, 5)] + [("buyer", f"b{n}") for n in range(1, 8)]


def make_truth(ring: frozenset = RING, hijacked: frozenset = frozenset()) -> worlds.Truth:
    order = FraudOrder(("promoter", "p1"), ("buyer", "b1"), 700, is_unpaid=True)
    gone = FraudOrder(("promoter", "p9"), ("buyer", "b9"), 300, is_unpaid=False)
    return worlds.Truth(
        (RingTruth("r1", "star", ring, hijacked),), (order, gone), {"family": frozenset({("buyer", "b7")})}
    )


def flag(*accounts: tuple[str, str], case: str = "c1") -> dict:
    return {
        a: worlds.Verdict(0.9 if a in accounts else 0.1, a in accounts, case if a in accounts else "")
        for a in EVERYBODY
    }


def test_a_ring_is_found_when_half_of_case_and_ring_is_shared() -> None:
    assert worlds.judge(make_truth(), flag(("promoter", "p1"), ("buyer", "b1"))).ring_recall == 1.0
    assert worlds.judge(make_truth(), flag(("promoter", "p1"), ("buyer", "b7"))).ring_recall == 0.0


def test_accounts_of_different_cases_do_not_add_up_to_a_ring() -> None:
    verdicts = flag(("promoter", "p1")) | {("buyer", "b1"): worlds.Verdict(0.9, True, "c2")}
    assert worlds.judge(make_truth(), verdicts).ring_recall == 0.0


def test_precision_money_and_confounders_are_counted() -> None:
    judged = worlds.judge(make_truth(), flag(("promoter", "p1"), ("buyer", "b1"), ("buyer", "b7"), ("buyer", "b6")))
    assert (judged.precision, judged.recall) == (0.5, 0.5)
    assert (judged.money_recall, judged.unpaid_recall) == (0.7, 1.0)
    assert judged.worst_confounder == ("family", 1.0)
    assert judged.wrong == {"family": 1, "nobody's": 1}


def test_silence_is_no_mistake() -> None:
    judged = worlds.judge(worlds.Truth((), (), {}), flag())
    assert (judged.precision, judged.ring_recall, judged.average_precision, judged.worst_confounder) == (None,) * 4


def test_hijacked_accounts_count_in_or_out_whichever_is_kinder() -> None:
    ring = RingTruth("r1", "hijacked", RING, frozenset({("buyer", "b1"), ("buyer", "b2"), ("buyer", "b3")}))
    assert measure_overlap(ring, {("promoter", "p1")}) == 1.0
    assert measure_overlap(ring, set(RING)) == 1.0
    assert measure_overlap(ring, {("buyer", "b1")}) == 0.25


def test_average_precision_treats_equal_scores_alike() -> None:
    def rank(*scores: float) -> dict:
        return {account: worlds.Verdict(score, False, "") for account, score in zip(EVERYBODY, scores, strict=False)}

    bad = frozenset(EVERYBODY[:2])
    assert measure_average_precision(rank(0.9, 0.8, 0.1, 0.0), bad) == 1.0
    assert measure_average_precision(rank(0.5, 0.5, 0.5, 0.5), bad) == 0.5
    assert measure_average_precision(rank(0.1, 0.1, 0.9, 0.9), bad) == 0.5


def test_judgements_of_several_worlds_add_up() -> None:
    good, bad = worlds.judge(make_truth(), flag(*RING)), worlds.judge(make_truth(), flag(("buyer", "b7")))
    both = worlds.add_up([good, bad])
    assert (both.ring_recall, both.precision) == (0.5, 0.8)
    assert both.confounders == {"family": (1, 2)}
    assert both.missed == ("r1 star",)


def test_a_judge_without_files_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(worlds.NotAWorld, match=r"truth/accounts\.csv"):
        worlds.judge_output(tmp_path, tmp_path)


def test_a_perfect_sweep_is_judged_perfect(tmp_path: Path) -> None:
    world = worlds.simulate_world(seed=7, buyers=900, host="town", fraud_rate=0.05)
    worlds.write_world(world, tmp_path)
    truth = worlds.read_truth(tmp_path)
    lines = ["account_kind,account_id,score,flagged,case_id"]
    lines += [f"{kind},{name},1,1,{ring.id}" for ring in truth.rings for kind, name in sorted(ring.members)]
    (tmp_path / "accounts.csv").write_text("\n".join(lines))
    judged = worlds.judge_output(tmp_path, tmp_path)
    assert (judged.precision, judged.recall, judged.ring_recall) == (1.0, 1.0, 1.0)
    assert (judged.money_recall, judged.unpaid_recall) == (1.0, 1.0)
    assert judged.worst_confounder[1] == 0.0


def test_the_documentation_names_everything() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "risk-worlds.md").read_text(encoding="utf-8")
    for names in (worlds.HOSTS, worlds.FRAUDS, worlds.CONFOUNDERS):
        assert [name for name in names if f"| `{name}` |" not in text] == []
