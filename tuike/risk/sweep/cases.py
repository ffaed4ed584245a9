"""From suspicious hubs to cases: which hubs convict, who in them is accused, and which belong to one case."""

from dataclasses import dataclass

import numpy as np

from tuike.risk.model import Case, Family, Member, Role, Settings
from tuike.risk.sweep.hubs import FAMILIES, TRAITS, Dealings, Fit
from tuike.risk.sweep.trade import Column
from tuike.risk.sweep.world import World

_CAMPAIGN = (Family.STRUCTURE, Family.LIFE, Family.TIME, Family.TOUCH, Family.MANNER)
"""What a live stream or a campaign does too: these together count as one kind of evidence."""


_SEVERAL = [name for name, _, _ in TRAITS].index("other hubs in common")


@dataclass(slots=True)
class Found:
    """A hub that convicts: accounts with their probability, and the evidence by family for each member."""

    promoters: Column
    buyers: Column
    shares: Column
    nats: Column
    total: float
    has_victims: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a hub convicts, and whether its buyers are its victims."""

    convicts: bool
    buyers_are_victims: bool = False
    total: float = 0.0


def decide_hub(nats: Column, traits: Column, seats: Column, members: float, promoters: int) -> Verdict:
    """Say whether the evidence of a hub convicts: enough in all, and from two kinds that campaigns do not explain.

    `nats` are per member by family, `traits` the same by trait; `seats` is what the promoters tell in all, by shared
    identifiers and by haste.
    """
    by = {family: float(nats[number]) for number, family in enumerate(FAMILIES)}
    accounts = max(1.0, members + promoters)
    seat_identity, seat_haste = (float(value) / accounts for value in seats[:2])
    campaign = sum(by[family] for family in _CAMPAIGN)
    several = float(traits[_SEVERAL])
    identity = float(traits[0]) + seat_identity
    kinds = [identity / 0.3, by[Family.REFUND] / 0.8, by[Family.CYCLE] / 0.8, campaign / 0.8, several / 1.0,
             seat_haste / 0.5]  # fmt: skip
    agreeing = sum(value >= 1.0 for value in kinds)
    total = sum(by.values()) + seat_identity + seat_haste
    weight = total * accounts
    touch = by[Family.TOUCH]
    own_doing = campaign - touch + identity - seat_identity
    if touch >= 1.2 and own_doing < 0.5 * touch and members >= 8:
        convicts = (promoters > 1 and float(seats[0]) >= 3.0) or touch >= 2.8
        return Verdict(convicts, buyers_are_victims=True, total=weight)
    enough = agreeing >= 2 and total >= 2.2 and weight >= 16
    both = float(seats[2])
    enough = enough or (both >= 4 and both >= 0.5 * promoters)
    return Verdict(members + promoters > 3 and enough, total=weight)


def find_convicted(
    dealings: Dealings, fit: Fit, seats: Column, hub_of: Column, promoter_of: Column, settings: Settings
) -> list[Found]:
    """Return the hubs that convict, each with the accounts it accuses."""
    order = np.argsort(hub_of, kind="stable")
    starts = np.searchsorted(hub_of[order], np.arange(len(seats) + 1))
    found = []
    candidates = (fit.members >= 2) | (seats[:, 2] > 0)
    for hub in np.flatnonzero(candidates).tolist():
        promoters = promoter_of[order[starts[hub] : starts[hub + 1]]]
        verdict = decide_hub(fit.hub_nats[hub], fit.by_trait[hub], seats[hub], float(fit.members[hub]), promoters.size)
        if not verdict.convicts:
            continue
        first, end = dealings.starts[hub], dealings.starts[hub + 1]
        inside = np.flatnonzero(fit.share[first:end] >= settings.score_flagged) + first
        nats = fit.hub_nats[hub].copy()
        nats[FAMILIES.index(Family.IDENTITY)] += seats[hub, 0] / (promoters.size + inside.size)
        nats[FAMILIES.index(Family.TREE)] += seats[hub, 1] / (promoters.size + inside.size)
        found.append(
            Found(promoters, dealings.buyer[inside], fit.share[inside], nats, verdict.total, verdict.buyers_are_victims)
        )
    return found


def build_cases(world: World, found: list[Found], settings: Settings) -> list[Case]:
    """Join hubs that share accounts, and put each account in one case."""
    groups: list[list[Found]] = []
    for one in sorted(found, key=lambda item: (-item.total, -item.buyers.size)):
        accounts = _list_accounts(world, one)
        for group in groups:
            known = set().union(*(_list_accounts(world, other) for other in group))
            if len(accounts & known) >= 0.3 * min(len(accounts), len(known)):
                group.append(one)
                break
        else:
            groups.append([one])
    cases, taken = [], set()
    for group in groups:
        scores: dict[int, float] = {}
        roles: dict[int, Role] = {}
        for one in group:
            strength = 1.0 - 0.5 ** (1.0 + one.nats.sum() / 4.0)
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


def _list_accounts(world: World, one: Found) -> set[int]:
    if one.has_victims:
        return set(one.promoters.tolist())
    return set(one.promoters.tolist()) | set((one.buyers + world.promoters).tolist())


def _name_pattern(nats: dict[Family, float], group: list[Found]) -> str:
    promoters = {promoter for one in group for promoter in one.promoters.tolist()}
    if group[0].has_victims:
        return "forced_touches"
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
