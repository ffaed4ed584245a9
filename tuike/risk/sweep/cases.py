"""From suspicious hubs to cases: which hubs convict, who in them is accused, and which belong to one case."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from tuike.risk.model import Case, Family, Member, Role, Settings
from tuike.risk.sweep.clusters import Seats
from tuike.risk.sweep.hubs import FAMILIES, Dealings, Fit
from tuike.risk.sweep.lockstep import Block
from tuike.risk.sweep.touching import Suspects
from tuike.risk.sweep.trade import Column
from tuike.risk.sweep.weighing import Weighed
from tuike.risk.sweep.world import World

_ODDS_MIN = -0.4
_WRONG_MAX = 0.1
"""Which part of the cases may be expected to be wrong, by their own odds."""
_DOUBT = 0.05
"""So much of a case more may be wrong in any data, however sure the cases: friends may look just like a ring."""
_OVERLAP = 0.3
_APART = 0.1
"""A hub of which more is in surer cases is a vaguer repetition of them: its evidence is theirs."""
_AS_SURE = 0.6
"""Hubs that share accounts are one case if the odds of the vaguer are at least this part of the surer's."""


@dataclass(slots=True)
class Found:
    """A hub that convicts: accounts with their probability, and the evidence by family for each member."""

    promoters: Column
    buyers: Column
    shares: Column
    nats: Column
    odds: float
    has_victims: bool = False
    pattern: str = ""


def find_convicted(
    dealings: Dealings,
    fit: Fit,
    seats: Seats,
    weighed: Weighed,
    hub_of: Column,
    promoter_of: Column,
    spared: Column,
    accused: Column,
) -> list[Found]:
    """Return the hubs whose odds come near to even or lie above, each with the accounts it accuses.

    `spared` are promoters whose buyers may be victims: only what is no matter of touches counts there.
    `accused` are those of them whose buyers are victims.
    """
    order = np.argsort(hub_of, kind="stable")
    starts = np.searchsorted(hub_of[order], np.arange(weighed.odds.size + 1))
    is_spared, is_accused = np.zeros((2, promoter_of.max(initial=-1) + 1), bool)
    is_spared[spared], is_accused[accused] = True, True
    found: list[Found] = []
    for hub in np.flatnonzero(weighed.odds >= _ODDS_MIN).tolist():
        places = order[starts[hub] : starts[hub + 1]]
        promoters = promoter_of[places]
        first, last = dealings.starts[hub], dealings.starts[hub + 1]
        inside = np.flatnonzero(fit.share[first:last] >= 0.5) + first
        if promoters.size > 1:
            tied = seats.is_hasty[places] & (seats.haste[hub] >= 4)
            promoters = promoters[tied | _deals_with(dealings, promoters, dealings.buyer[inside])]
        if not promoters.size or is_accused[promoters].any():
            continue
        if is_spared[promoters].all() and weighed.weigh_without_touches(hub) < 0.0:
            continue
        found.append(
            Found(
                promoters, dealings.buyer[inside], fit.share[inside], weighed.list_families(hub),
                float(weighed.odds[hub]),
            )
        )  # fmt: skip
    return found


def _deals_with(dealings: Dealings, promoters: Column, buyers: Column) -> Column:
    """Say to which promoters the buyers matter: two of them and a fifth of all customers, or half of the customers."""
    keep = np.zeros(promoters.size, bool)
    for number, promoter in enumerate(promoters.tolist()):
        theirs = dealings.buyer[dealings.starts[promoter] : dealings.starts[promoter + 1]]
        known = int(np.isin(theirs, buyers).sum())
        keep[number] = (known >= 2 and known >= 0.2 * theirs.size) or known >= max(1.0, 0.5 * theirs.size)
    return keep


def convict_blocks(blocks: list[Block]) -> list[Found]:
    """Return blocks of buyers in lockstep as what convicts: judged against everybody else, they need no second kind."""
    found = []
    for block in (block for block in blocks if block.convicts):
        nats = np.zeros(len(FAMILIES))
        nats[FAMILIES.index(Family.TIME)] = block.time_nats
        nats[FAMILIES.index(Family.STRUCTURE)] = block.structure_nats
        shares = np.full(block.buyers.size, 0.95)
        found.append(Found(block.promoters, block.buyers, shares, nats, float(nats.sum() - 3.0)))
    return found


def convict_suspects(suspects: list[Suspects]) -> list[Found]:
    """Return those whose touches tell on them as what convicts."""
    found = []
    for one in suspects:
        nats = np.zeros(len(FAMILIES))
        nats[FAMILIES.index(Family.TOUCH)] = min(one.nats, 12.0)
        shares = np.full(one.buyers.size, 0.95)
        found.append(Found(one.promoters, one.buyers, shares, nats, min(one.nats, 12.0), one.has_victims, one.pattern))
    return found


def build_cases(world: World, found: list[Found], settings: Settings) -> list[Case]:
    """Join hubs that share accounts, and put each account in one case."""
    groups = _keep_expected(_join_overlapping(world, found))
    cases, taken = [], set()
    for group in groups:
        scores: dict[int, float] = {}
        roles: dict[int, Role] = {}
        for one in group:
            strength = 1.0 / (1.0 + float(np.exp(-one.odds)))
            for promoter in one.promoters.tolist():
                scores[promoter] = max(scores.get(promoter, 0.0), strength)
                roles[promoter] = Role.BENEFICIARY
            for buyer, share in zip((one.buyers + world.promoters).tolist(), one.shares.tolist(), strict=True):
                if one.has_victims:
                    roles.setdefault(buyer, Role.VICTIM)
                    continue
                scores[buyer] = max(scores.get(buyer, 0.0), share * strength)
                roles[buyer] = Role.BUYER
        members = [
            Member(account, role, scores.get(account, 0.0), flagged=role is not Role.VICTIM)
            for account, role in roles.items()
            if account not in taken
        ]
        if not any(member.flagged for member in members):
            continue
        taken |= {member.account for member in members if member.flagged}
        nats = {family: float(max(one.nats[number] for one in group)) for number, family in enumerate(FAMILIES)}
        score = max(member.score for member in members)
        cases.append(Case(_name_pattern(nats, group), members, score, {k: v for k, v in nats.items() if v > 0}))
    return cases


def _join_overlapping(world: World, found: list[Found]) -> list[list[Found]]:
    """Join what overlaps and is about as sure; the surest comes first, and vaguer repetitions are left out."""
    groups: dict[int, tuple[list[Found], set[int]]] = {}
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for number, one in enumerate(sorted(found, key=lambda item: (-item.odds, -item.buyers.size))):
        accounts = known = _list_accounts(world, one)
        shared = Counter(at for account in accounts for at in holders[account] if at in groups)
        near = [at for at in sorted(shared) if shared[at] >= _OVERLAP * min(len(accounts), len(groups[at][1]))]
        is_sure = all(one.odds >= _AS_SURE * groups[at][0][0].odds for at in near)
        members = [one]
        if near and is_sure:
            joined = [groups.pop(at) for at in near]
            members = sorted([*(member for group in joined for member in group[0]), one], key=lambda item: -item.odds)
            known = accounts.union(*(group[1] for group in joined))
        elif len(accounts & set().union(*(groups[at][1] for at in near))) > _APART * len(accounts):
            continue
        groups[number] = members, known
        for account in known:
            holders[account].append(number)
    return [members for members, _ in groups.values()]


def _keep_expected(groups: list[list[Found]]) -> list[list[Found]]:
    """Keep the surest cases, as many as leave the expected part of wrong ones small.

    So a doubtful case stands beside many sure ones, and falls where it is all that was found: among thousands of honest
    promoters some will look a little like a ring.
    """
    groups = sorted(groups, key=lambda group: -group[0].odds)
    wrong = np.array([1.0 / (1.0 + np.exp(min(group[0].odds, 30.0))) for group in groups])
    part = (_DOUBT + np.cumsum(wrong)) / np.arange(1, wrong.size + 1)
    kept = np.flatnonzero(part <= _WRONG_MAX)
    if not kept.size:
        return []
    # Equals stand or fall together.
    last = groups[int(kept[-1])][0].odds
    return [group for group in groups if group[0].odds >= last]


def _list_accounts(world: World, one: Found) -> set[int]:
    if one.has_victims:
        return set(one.promoters.tolist())
    return set(one.promoters.tolist()) | set((one.buyers + world.promoters).tolist())


def _name_pattern(nats: dict[Family, float], group: list[Found]) -> str:
    promoters = {promoter for one in group for promoter in one.promoters.tolist()}
    if group[0].pattern:
        return group[0].pattern
    if nats[Family.CYCLE] >= 1.0:
        return "purchase_circle"
    if nats[Family.REFUND] >= 1.0:
        return "refund_after_settlement"
    if nats[Family.MANNER] >= 1.5:
        return "repeated_amounts"
    buyers = {buyer for one in group for buyer in one.buyers.tolist()}
    if len(promoters) > 4:
        return "linked_promoters"
    if nats[Family.TIME] >= 1.5:
        return "lockstep"
    if len(promoters) == 1 and len(buyers) <= 8:
        return "own_people"
    return "star" if len(promoters) == 1 else "shared_customers"


def get_bars() -> dict[str, object]:
    """Return the bars of cases, for the report."""
    return {"odds_min": _ODDS_MIN, "wrong_max": _WRONG_MAX, "doubt": _DOUBT, "overlap": _OVERLAP, "as_sure": _AS_SURE}
