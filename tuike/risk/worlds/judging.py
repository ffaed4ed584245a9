"""The judge: a sweep's output beside a world's truth."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tuike.risk.worlds.model import NotAWorld

Account = tuple[str, str]
"""Account kind and id."""

FOUND_AT = 0.5
"""A ring counts as found when a case and the ring share at least half of the accounts of both (Jaccard)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector says of one account; `case_id` is empty when it is not flagged."""

    score: float
    flagged: bool
    case_id: str


@dataclass(frozen=True, slots=True)
class RingTruth:
    """A planted ring as the files tell it. `hijacked` accounts belong to it but are not its people."""

    id: str
    fraud: str
    members: frozenset[Account]
    hijacked: frozenset[Account]


@dataclass(frozen=True, slots=True)
class FraudOrder:
    """An order that a ring lives on; `is_unpaid`: its commission had not left yet when the world ended."""

    promoter: Account
    buyer: Account
    amount_minor: int
    is_unpaid: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a world."""

    rings: tuple[RingTruth, ...]
    orders: tuple[FraudOrder, ...]
    confounders: Mapping[str, frozenset[Account]]

    @property
    def fraudulent(self) -> frozenset[Account]:
        return frozenset().union(*(ring.members for ring in self.rings))


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a sweep did on one world or on several together; shares are None where there is nothing to share.

    Counts are pairs of (good or flagged, all).
    """

    accounts: int
    flagged: int
    right: int
    fraudulent: int
    rings: dict[str, tuple[int, int]]
    confounders: dict[str, tuple[int, int]]
    money_minor: tuple[int, int]
    unpaid_minor: tuple[int, int]
    average_precision: float | None
    missed: tuple[str, ...] = ()
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def precision(self) -> float | None:
        """Which share of the flagged accounts belongs to a ring."""
        return self.right / self.flagged if self.flagged else None

    @property
    def recall(self) -> float | None:
        """Which share of the rings' accounts is flagged."""
        return self.right / self.fraudulent if self.fraudulent else None

    @property
    def ring_recall(self) -> float | None:
        """Which share of the rings is found."""
        return _share(_sum(self.rings.values()))

    @property
    def money_recall(self) -> float | None:
        """Which share of the rings' money is credited to a flagged promoter or bought by a flagged buyer."""
        return _share(self.money_minor)

    @property
    def unpaid_recall(self) -> float | None:
        """The same of the money that had not left yet."""
        return _share(self.unpaid_minor)

    @property
    def worst_confounder(self) -> tuple[str, float] | None:
        """The confounder with the largest share of flagged accounts."""
        shares = [(kind, count[0] / count[1]) for kind, count in sorted(self.confounders.items()) if count[1]]
        return max(shares, key=lambda pair: pair[1], default=None)

    def to_json(self) -> dict[str, object]:
        """Return counts and shares as plain values."""
        return {
            "accounts": self.accounts, "flagged": self.flagged, "right": self.right, "fraudulent": self.fraudulent,
            "precision": self.precision, "recall": self.recall, "ring_recall": self.ring_recall,
            "money_recall": self.money_recall, "unpaid_recall": self.unpaid_recall,
            "average_precision": self.average_precision,
            "rings": {fraud: {"found": found, "planted": planted} for fraud, (found, planted) in self.rings.items()},
            "confounders": {kind: {"flagged": flagged, "accounts": accounts}
                            for kind, (flagged, accounts) in self.confounders.items()},
            "missed": list(self.missed), "wrong": self.wrong,
        }  # fmt: skip


def add_up(judgements: "list[Judgement]") -> Judgement:
    """Return one judgement over several worlds: counts are added, average precision is the mean over worlds."""
    scores = [j.average_precision for j in judgements if j.average_precision is not None]
    wrong: dict[str, int] = defaultdict(int)
    for judgement in judgements:
        for kind, count in judgement.wrong.items():
            wrong[kind] += count
    return Judgement(
        accounts=sum(j.accounts for j in judgements), flagged=sum(j.flagged for j in judgements),
        right=sum(j.right for j in judgements), fraudulent=sum(j.fraudulent for j in judgements),
        rings=_merge([j.rings for j in judgements]), confounders=_merge([j.confounders for j in judgements]),
        money_minor=_sum([j.money_minor for j in judgements]), unpaid_minor=_sum([j.unpaid_minor for j in judgements]),
        average_precision=sum(scores) / len(scores) if scores else None,
        missed=tuple(ring for j in judgements for ring in j.missed), wrong=dict(wrong),
    )  # fmt: skip


def judge_output(world: Path, output: Path) -> Judgement:
    """Return how the sweep whose output lies in `output` did on the world in directory `world`.

    Raises:
        NotAWorld: a file is missing.
    """
    return judge(read_truth(world), read_verdicts(output))


def read_truth(world: Path) -> Truth:
    """Return the truth beside a world's input files.

    Raises:
        NotAWorld: a file is missing.
    """
    members: dict[str, set[Account]] = defaultdict(set)
    hijacked: dict[str, set[Account]] = defaultdict(set)
    for row in _read(world / "truth" / "accounts.csv"):
        if row["role"] != "victim":
            members[row["ring_id"]].add((row["account_kind"], row["account_id"]))
        if row["role"] == "hijacked":
            hijacked[row["ring_id"]].add((row["account_kind"], row["account_id"]))
    rings = tuple(
        RingTruth(row["ring_id"], row["fraud"], frozenset(members[row["ring_id"]]), frozenset(hijacked[row["ring_id"]]))
        for row in _read(world / "truth" / "rings.csv")
    )
    orders = tuple(
        FraudOrder(("promoter", row["promoter_id"]), ("buyer", row["buyer_id"]), int(row["amount_minor"]),
                   row["unpaid"] == "1")
        for row in _read(world / "truth" / "orders.csv")
    )  # fmt: skip
    groups: dict[str, set[Account]] = defaultdict(set)
    for row in _read(world / "truth" / "confounders.csv"):
        groups[row["kind"]].add((row["account_kind"], row["account_id"]))
    return Truth(rings, orders, {kind: frozenset(accounts) for kind, accounts in sorted(groups.items())})


def read_verdicts(output: Path) -> dict[Account, Verdict]:
    """Return what accounts.csv of a sweep's output says.

    Raises:
        NotAWorld: the file is missing.
    """
    return {
        (row["account_kind"], row["account_id"]): Verdict(float(row["score"]), row["flagged"] == "1", row["case_id"])
        for row in _read(output / "accounts.csv")
    }


def judge(truth: Truth, verdicts: Mapping[Account, Verdict]) -> Judgement:
    """Return how well verdicts fit the truth."""
    flagged = {account for account, verdict in verdicts.items() if verdict.flagged}
    bad = truth.fraudulent
    cases: dict[str, set[Account]] = defaultdict(set)
    for account in flagged:
        cases[verdicts[account].case_id].add(account)
    cases.pop("", None)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    missed = []
    for ring in truth.rings:
        hit = any(measure_overlap(ring, case) >= FOUND_AT for case in cases.values())
        found[ring.fraud][0] += hit
        found[ring.fraud][1] += 1
        if not hit:
            missed.append(f"{ring.id} {ring.fraud}")
    caught = [order for order in truth.orders if order.promoter in flagged or order.buyer in flagged]
    wrong: dict[str, int] = defaultdict(int)
    for account in flagged - bad:
        kinds = [kind for kind, accounts in truth.confounders.items() if account in accounts]
        for kind in kinds or ["nobody's"]:
            wrong[kind] += 1
    return Judgement(
        accounts=len(verdicts), flagged=len(flagged), right=len(flagged & bad), fraudulent=len(bad),
        rings={fraud: (hits, planted) for fraud, (hits, planted) in sorted(found.items())},
        confounders={kind: (len((accounts & flagged) - bad), len(accounts - bad))
                     for kind, accounts in truth.confounders.items()},
        money_minor=(sum(o.amount_minor for o in caught), sum(o.amount_minor for o in truth.orders)),
        unpaid_minor=(sum(o.amount_minor for o in caught if o.is_unpaid),
                      sum(o.amount_minor for o in truth.orders if o.is_unpaid)),
        average_precision=measure_average_precision(verdicts, bad), missed=tuple(missed), wrong=dict(wrong),
    )  # fmt: skip


def measure_overlap(ring: RingTruth, case: set[Account]) -> float:
    """Return the Jaccard index of a ring and a case, with hijacked accounts or without, whichever is kinder."""
    whole = len(ring.members & case) / len(ring.members | case)
    if not ring.hijacked:
        return whole
    people, rest = ring.members - ring.hijacked, case - ring.hijacked
    return max(whole, len(people & rest) / len(people | rest)) if rest else whole


def measure_average_precision(verdicts: Mapping[Account, Verdict], bad: frozenset[Account]) -> float | None:
    """Return the area under precision over recall of the scores; accounts of equal score stand or fall together."""
    if not bad or not verdicts:
        return None
    scores = np.array([verdict.score for verdict in verdicts.values()])
    truth = np.array([account in bad for account in verdicts], np.float64)
    order = np.argsort(-scores, kind="stable")
    scores, truth = scores[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = np.cumsum(truth)[last]
    precision, recall = hits / (last + 1), hits / len(bad)
    return float(np.sum(np.diff(np.concatenate(([0.0], recall))) * precision))


def _read(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise NotAWorld(f"{path} is missing.")
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _merge(parts: list[dict[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    kinds = sorted({kind for part in parts for kind in part})
    return {kind: _sum([part[kind] for part in parts if kind in part]) for kind in kinds}


def _sum(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    both = list(pairs)
    return sum(pair[0] for pair in both), sum(pair[1] for pair in both)


def _share(pair: tuple[int, int]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None
