"""From suspicious hubs to cases: which hubs convict, who in them is accused, and which belong to one case."""

from dataclasses import dataclass

import numpy as np

from tuike.risk.model import Case, Family, Member, Role, Settings
from tuike.risk.sweep.clusters import Seats
from tuike.risk.sweep.hubs import FAMILIES, REFUND, Dealings, Fit
from tuike.risk.sweep.lockstep import Block
from tuike.risk.sweep.trade import Column
from tuike.risk.sweep.world import World

_CAMPAIGN = (Family.STRUCTURE, Family.LIFE, Family.TIME, Family.TOUCH, Family.MANNER)
"""What a live stream or a campaign does too: these together count as one kind of evidence."""


_QUICK = 1.8
"""Nats for each member from which links are opened more quickly than campaigns explain."""


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
    is_doubtful: bool = False
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class HubEvidence:
    """All that is known of a hub. Nats of families and traits are per member, the others for the whole hub."""

    families: Column
    traits: Column
    members: int
    promoters: int
    seat_identity: float
    seat_haste: float
    seats_with_both: int
    company: float
    refunding: int
    company_is_rare: bool = True


def decide_hub(hub: HubEvidence) -> Verdict:
    """Say whether the evidence of a hub convicts: enough in all, and from two kinds that campaigns do not explain."""
    by = {family: float(hub.families[number]) for number, family in enumerate(FAMILIES)}
    accounts = max(1, hub.members + hub.promoters)
    seat_identity, seat_haste, company = (
        value / accounts for value in (hub.seat_identity, hub.seat_haste, hub.company)
    )
    campaign = sum(by[family] for family in _CAMPAIGN)
    strong = float(hub.traits[0])
    touch = by[Family.TOUCH]
    is_refunding = hub.refunding >= max(3.0, 0.6 * hub.members)
    other_campaign = campaign - touch if touch >= _QUICK else campaign
    kinds = [(strong + seat_identity) / 0.3, is_refunding * by[Family.REFUND] / 1.0, by[Family.CYCLE] / 0.8,
             seat_haste / 0.4, touch / _QUICK]  # fmt: skip
    apart = sum(value >= 1.0 for value in kinds)
    # Neighbours go to the same shops: where company is usual it needs more beside it than signs of where people buy.
    in_company = company >= 0.8
    beside = max(by[Family.LIFE] / 0.5, by[Family.MANNER] / 0.8, by[Family.TIME] / 1.6)
    if hub.company_is_rare:
        beside = max(beside, other_campaign / 0.8)
    agree = apart >= 2 or (apart >= 1 and (in_company or other_campaign >= 0.8)) or (in_company and beside >= 1.0)
    total = sum(by.values()) + seat_identity + seat_haste + company
    weight = total * accounts - (0.0 if hub.seat_identity >= 3 else 3.0 * (hub.promoters - 1))
    if touch >= 1.2 and campaign - touch + strong + company < 0.5 * touch and hub.members >= 8:
        convicts = (hub.promoters > 1 and hub.seat_identity >= 3.0) or touch >= 2.8
        return Verdict(convicts, buyers_are_victims=True, is_doubtful=not convicts, total=weight)
    convicts = agree and (total >= 2.2 or weight >= 30) and weight >= 16
    # Many of one promoter's customers in one hand: then a little of a campaign's signs is enough.
    convicts |= hub.promoters == 1 and hub.members >= 8 and strong >= 1.5 and campaign >= 0.35 and total >= 2.2
    # A ladder of promoters that share identifiers as well.
    both = hub.seats_with_both
    convicts |= both >= 3 and both >= 0.3 * hub.promoters and min(hub.seat_identity, hub.seat_haste) >= 4
    return Verdict(accounts > 3 and convicts, total=weight)


def find_convicted(
    world: World, dealings: Dealings, fit: Fit, seats: Seats, company: Column, hub_of: Column, promoter_of: Column,
    settings: Settings,
) -> list[Found]:  # fmt: skip
    """Return the hubs that convict, each with the accounts it accuses."""
    order = np.argsort(hub_of, kind="stable")
    starts = np.searchsorted(hub_of[order], np.arange(company.size + 1))
    is_rare = _is_company_rare(dealings, fit, company, hub_of, promoter_of)
    found: list[Found] = []
    doubtful: list[Found] = []
    for hub in np.flatnonzero((fit.members >= 2) | (seats.both > 2)).tolist():
        places = order[starts[hub] : starts[hub + 1]]
        promoters = promoter_of[places]
        first, last = dealings.starts[hub], dealings.starts[hub + 1]
        inside = np.flatnonzero(fit.share[first:last] >= settings.score_flagged) + first
        told = HubEvidence(
            fit.hub_nats[hub], fit.by_trait[hub], int(fit.members[hub]), promoters.size, float(seats.identity[hub]),
            float(seats.haste[hub]), int(seats.both[hub]), float(company[hub]),
            int((dealings.traits[inside, REFUND] > 0).sum()), is_rare,
        )  # fmt: skip
        verdict = decide_hub(told)
        if verdict.is_doubtful and promoters.size == 1 and told.members >= 0.6 * (last - first):
            doubtful.append(
                Found(promoters, dealings.buyer[inside], fit.share[inside], told.families, verdict.total, True)
            )
        if not verdict.convicts:
            continue
        accounts = promoters.size + inside.size
        nats = fit.hub_nats[hub].copy()
        nats[FAMILIES.index(Family.IDENTITY)] += told.seat_identity / accounts
        nats[FAMILIES.index(Family.TREE)] += told.seat_haste / accounts
        nats[FAMILIES.index(Family.STRUCTURE)] += told.company / accounts
        if promoters.size > 1:
            tied = seats.is_hasty[places] & (told.seat_haste >= 4)
            promoters = promoters[tied | _deals_with(dealings, promoters, dealings.buyer[inside])]
        found.append(
            Found(promoters, dealings.buyer[inside], fit.share[inside], nats, verdict.total, verdict.buyers_are_victims)
        )
    return found + _join_forcing(found, doubtful)


def _is_company_rare(dealings: Dealings, fit: Fit, company: Column, hub_of: Column, promoter_of: Column) -> bool:
    """Say whether few of the promoters with some trade share their customers; in a town of neighbours many do."""
    size = np.bincount(hub_of, minlength=company.size)
    in_company = company >= 0.8 * np.maximum(fit.members + size, 1)
    sharing = np.unique(promoter_of[in_company[hub_of] & (size[hub_of] > 1)]).size
    trading = int((np.diff(dealings.starts)[np.unique(promoter_of)] >= 3).sum())
    return sharing <= 0.08 * trading


def _join_forcing(found: list[Found], doubtful: list[Found]) -> list[Found]:
    """Join promoters whose links are opened too quickly: one may be a shop's till, several at once are no chance."""
    known = {promoter for one in found if one.has_victims for promoter in one.promoters.tolist()}
    apart = [one for one in doubtful if int(one.promoters[0]) not in known]
    if len(apart) + len(known) < 2 or not apart:
        return []
    apart += [one for one in found if one.has_victims and one.promoters.size == 1]
    nats = np.mean([one.nats for one in apart], axis=0)
    return [
        Found(
            np.concatenate([one.promoters for one in apart]),
            np.concatenate([one.buyers for one in apart]),
            np.concatenate([one.shares for one in apart]),
            nats,
            sum(one.total for one in apart),
            has_victims=True,
        )
    ]


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
    for block in blocks:
        nats = np.zeros(len(FAMILIES))
        nats[FAMILIES.index(Family.TIME)] = block.time_nats
        nats[FAMILIES.index(Family.STRUCTURE)] = block.structure_nats
        shares = np.full(block.buyers.size, 0.95)
        found.append(Found(block.promoters, block.buyers, shares, nats, float(nats.sum() * block.buyers.size)))
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
