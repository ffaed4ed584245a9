"""What a sweep made of a world, against the truth."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.panels.files import Scribe
from tests.benchmarks.panels.world import World

FOUND = 0.5  # Jaccard overlap of a ring with the flagged accounts of one case
LINES = (0.5, 0.3, 0.2, 0.1, 0.05)  # scores at which an account might be flagged
EVERYBODY_ELSE = "(everybody else)"
Named = tuple[str, str]  # kind and id as the files spell it


@dataclass(frozen=True, slots=True)
class RingVerdict:
    """How one ring fared: its best case, and which part of its accounts is flagged in any."""

    pattern: str
    knobs: dict[str, float | int | str]
    accounts: int
    overlap: float
    flagged: float

    @property
    def found(self) -> bool:
        """Say whether some case is the ring."""
        return self.overlap >= FOUND


@dataclass(slots=True)
class Verdict:
    """How one world fared. Accounts that were taken over count neither as right nor as wrong."""

    world: str
    host: str
    part: str
    accounts: int = 0
    cheats: int = 0
    flagged: int = 0
    right: int = 0
    wrong: int = 0
    seconds: float = 0
    rings: list[RingVerdict] = field(default_factory=list)
    groups: list[tuple[str, int, int]] = field(default_factory=list)  # likeness, members, flagged
    lines: list[tuple[float, int, int, int]] = field(default_factory=list)  # score, right, wrong, rings half reached

    def to_json(self) -> dict[str, object]:
        """Return the verdict as the results hold it."""
        return asdict(self)


def judge(world: World, output: Path, name: str, part: str) -> Verdict:
    """Read what a sweep wrote for a world and compare."""
    cases, scores = _read_accounts(output / "accounts.csv")
    flagged = {account for members in cases.values() for account in members}
    scribe = Scribe(world)
    named = {
        account: scribe.name_account(account)
        for kind, count in (("buyer", len(world.buyers)), ("promoter", len(world.promoters)))
        for account in ((kind, number) for number in range(count))
    }
    guilty = {named[account] for ring in world.rings for account in ring.members}
    excused = {named[account] for ring in world.rings for account in ring.victims} - guilty
    verdict = Verdict(name, world.name, part, len(named), len(guilty), len(flagged))
    verdict.right = len(flagged & guilty)
    verdict.wrong = len(flagged - guilty - excused)
    rings = [{named[account] for account in ring.members} for ring in world.rings]
    verdict.lines = [_draw_line(line, scores, guilty, excused, rings) for line in LINES]
    for ring, members in zip(world.rings, rings, strict=True):
        victims = {named[account] for account in ring.victims}
        overlap = max((measure_overlap(case, members, victims) for case in cases.values()), default=0.0)
        knobs = ring.knobs
        reached = len(flagged & members) / len(members)
        verdict.rings.append(RingVerdict(ring.pattern, knobs, len(members | victims), overlap, reached))
    for group in world.groups:
        honest = {named[account] for account in group.members} - guilty - excused
        verdict.groups.append((group.likeness, len(honest), len(flagged & honest)))
    others = set(named.values()) - guilty - excused - {named[a] for group in world.groups for a in group.members}
    verdict.groups.append((EVERYBODY_ELSE, len(others), len(flagged & others)))
    return verdict


def measure_overlap(case: set[Named], members: set[Named], victims: set[Named]) -> float:
    """Return the Jaccard overlap of a case with a ring, its victims counted in or out, whichever is kinder."""
    strict = _jaccard(case - victims, members)
    return max(strict, _jaccard(case, members | victims)) if victims else strict


def _jaccard(one: set[Named], other: set[Named]) -> float:
    either = len(one | other)
    return len(one & other) / either if either else 0.0


def _draw_line(
    line: float, scores: dict[Named, float], guilty: set[Named], excused: set[Named], rings: list[set[Named]]
) -> tuple[float, int, int, int]:
    """Return what would be right and wrong if everybody from a score on were flagged, and rings flagged by half or more."""
    flagged = {account for account, score in scores.items() if score >= line}
    reached = sum(2 * len(members & flagged) >= len(members) for members in rings)
    return line, len(flagged & guilty), len(flagged - guilty - excused), reached


def _read_accounts(file: Path) -> tuple[dict[str, set[Named]], dict[Named, float]]:
    cases: dict[str, set[Named]] = defaultdict(set)
    scores: dict[Named, float] = {}
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            account = row["account_kind"], row["account_id"]
            scores[account] = float(row["score"])
            if row["flagged"] == "1":
                cases[row["case_id"]].add(account)
    return cases, scores


def add_up(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Return sums and rates over some verdicts."""
    listed = list(verdicts)
    rings = [ring for verdict in listed for ring in verdict.rings]
    right, wrong = sum(v.right for v in listed), sum(v.wrong for v in listed)
    return {
        "worlds": len(listed),
        "rings": len(rings),
        "found": sum(ring.found for ring in rings),
        "recall": sum(ring.found for ring in rings) / len(rings) if rings else 1.0,
        "flagged": right + wrong,
        "wrong": wrong,
        "precision": right / (right + wrong) if right + wrong else 1.0,
        "accounts": sum(v.accounts for v in listed),
    }
