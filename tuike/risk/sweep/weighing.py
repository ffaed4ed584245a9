"""What the evidence of a hub weighs: kinds of evidence, their agreement, and the odds that the hub is a ring.

Kinds are nats that were measured against all other hubs of the same data. Their weights are the one thing that was
learnt: a logistic regression over simulated worlds with planted rings and honest look-alikes, in which no kind of
evidence may speak against a ring, each kind saturates, and weights are drawn towards each other, so that a fraud that
was left out of the learning is found by the kinds it shares with others (see docs/risk.md).
"""

from dataclasses import dataclass

import numpy as np

from tuike.risk.model import Family
from tuike.risk.sweep.clusters import Seats
from tuike.risk.sweep.hubs import FAMILIES, REFUND, TRAITS, Career, Dealings, Fit
from tuike.risk.sweep.learnt import read_learnt
from tuike.risk.sweep.trade import Column

KINDS: dict[str, tuple[Family, dict[str, float]]] = {
    "identity": (Family.IDENTITY, {"personal links": 1.0, "wide personal links": 0.7}),
    "one purse": (Family.IDENTITY, {"personal links": 1.0, "wide personal links": 0.7}),
    "devices": (Family.IDENTITY, {"device links": 1.0, "wide device links": 0.7}),
    "one device": (Family.IDENTITY, {"device links": 1.0, "wide device links": 0.7}),
    "places": (Family.IDENTITY, {"weak links": 1.0, "own places": 1.0}),
    "loyalty": (Family.STRUCTURE, {"dedication": 1.0, "orders": 1.0}),
    "life": (Family.LIFE, {"age": 1.0, "registered together": 1.0}),
    "lag": (Family.TOUCH, {"lag": 1.0, "lag repeated": 1.0}),
    "together": (
        Family.TIME,
        {"together in an hour": 0.6, "together in a week": 0.6, "goods in common": 1.0, "goods crowd": 0.6},
    ),
    "rootless": (Family.IDENTITY, {"no device of their own": 1.0}),
    "company": (Family.STRUCTURE, {"other hubs in common": 1.0}),
    "refund": (Family.REFUND, {"refund": 1.0}),
    "amounts": (Family.MANNER, {"amounts": 1.0}),
    "delays": (Family.MANNER, {"payment delay": 1.0, "receipt delay": 1.0, "payment repeated": 1.0}),
    "prompt": (Family.MANNER, {}),
    "hours": (Family.MANNER, {"hour": 1.0}),
    "circles": (Family.CYCLE, {"circle": 1.0}),
    "rounds": (Family.CYCLE, {"rounds": 1.0}),
    "closed circle": (Family.STRUCTURE, {}),
    "haste": (Family.TREE, {}),
    "steps": (Family.TIME, {}),
    "meetings": (Family.TIME, {}),
    "steps at one": (Family.TIME, {}),
    "common customers": (Family.STRUCTURE, {}),
    "newness": (Family.LIFE, {}),
    "unseen": (Family.TOUCH, {}),
    "burst": (Family.TIME, {}),
    "linked members": (Family.IDENTITY, {}),
    "placed members": (Family.IDENTITY, {}),
}
_SHOWN = {
    "linked members": ("personal links", "wide personal links"),
    "placed members": ("weak links", "own places", "device links", "wide device links"),
}
"""Kinds that count how many members show any of some traits, beyond what is usual."""
_NAMES = tuple(KINDS)
_IN_ALL = tuple(name for name in _NAMES if name not in {"newness", "burst"})
"""Kinds that also weigh by how many show them."""
_CLOSE = frozenset({"devices", "one device", "places", "placed members", "loyalty", "company", "common customers"})
"""What people who live together and buy from each other show without any deceit: all of it is one kind of evidence."""
_STEPS = frozenset({"steps", "meetings"})
"""What is a coincidence of several promoters' trade; a burst is one promoter's."""
_BURST_MAX = 3.0
"""Nats that a burst is worth at most: a group buy, a show and a school's collection are bursts too."""
_HEADS_MAX = 20
"""What many have in common by a little is chance or custom: more heads than these do not add to the evidence."""
_AGREEMENT = ("agreement in all", "agreement", "agreement of three in all", "agreement of three")
_OTHERS = ("refunding", "seats", "promoters", "accounts", "purity", "orders")
FEATURES = (*(f"{name} in all" for name in _IN_ALL), *_NAMES, *_AGREEMENT, *_OTHERS)
"""What the odds are made of, in this order."""
FREE = len(_OTHERS) - 2
"""The last so many are circumstances, which may weigh for or against."""
LEARNT = read_learnt(FEATURES)
_OF_TOUCHES = [number for number, name in enumerate(FEATURES) if name.removesuffix(" in all") in {"lag", "unseen"}]


@dataclass(slots=True)
class Weighed:
    """The evidence of every hub: nats for each account by kind, the features, and the logarithm of the odds."""

    kinds: Column
    features: Column
    odds: Column

    def weigh_without_touches(self, hub: int) -> float:
        """Return the odds of a hub as they would be if nothing were known of touches."""
        features = self.features[[hub]].copy()
        features[:, _OF_TOUCHES] = 0.0
        return float(LEARNT.weigh(features)[0])

    def list_families(self, hub: int) -> Column:
        """Return the nats for each account by family."""
        nats = np.zeros(len(FAMILIES))
        for number, (family, _) in enumerate(KINDS.values()):
            nats[FAMILIES.index(family)] += self.kinds[hub, number]
        return nats


@dataclass(slots=True)
class Bonds:
    """What binds the members of each hub together, measured of the hub as a whole. Nats are for the whole hub.

    `company`: members who meet at several of its promoters; `closed`: members who buy from one another in a closed
    circle; `steps`, `steps_at_one`: members in lockstep, at several promoters and at one; `meetings`: members who meet
    at the same goods through different promoters; `purses`, `devices`: how many personal identifiers and devices
    members share.
    """

    company: Column
    closed: Column
    steps: Column
    steps_at_one: Column
    meetings: Column
    purses: Column
    devices: Column


def weigh_hubs(
    dealings: Dealings, fit: Fit, seats: Seats, bonds: Bonds, career: Career, hub_of: Column, usual_orders: float
) -> Weighed:
    """Weigh the evidence of every hub; `hub_of` names the hub of each seat."""
    hubs = fit.members.size
    promoters = np.maximum(np.bincount(hub_of, minlength=hubs), 1)
    members = np.maximum(fit.members, 1)
    accounts = members + promoters
    ring = fit.share >= 0.5
    orders = np.bincount(dealings.hub, np.where(ring, dealings.orders, 0), hubs)
    refunding = np.bincount(dealings.hub, ring & (dealings.traits[:, REFUND] > 0), hubs)
    place = {name: number for number, (name, _, _) in enumerate(TRAITS)}
    kinds = np.zeros((hubs, len(KINDS)), order="F")
    for number, (_, traits) in enumerate(KINDS.values()):
        for name, weight in traits.items():
            kinds[:, number] += weight * fit.by_trait[:, place[name]]
    kinds = np.minimum(kinds, 6.0)
    # One device is one place, one card is one purse, however many use it; the second is the first coincidence.
    for (several, one), count in zip(
        (("identity", "one purse"), ("devices", "one device")), (bonds.purses, bonds.devices), strict=True
    ):
        kinds[:, _NAMES.index(several)] *= 1.0 - 1.0 / np.maximum(count, 1.0)
        kinds[:, _NAMES.index(one)] /= np.maximum(count, 1.0)
    # Parents and children may live on two telephones; a shelf of them is more.
    kinds[:, _NAMES.index("rootless")] *= 1.0 - 2.0 / np.maximum(bonds.devices, 2.0)
    kinds[:, _NAMES.index("closed circle")] = bonds.closed / accounts
    kinds[:, _NAMES.index("steps")] = bonds.steps / accounts
    kinds[:, _NAMES.index("steps at one")] = bonds.steps_at_one / accounts
    kinds[:, _NAMES.index("meetings")] = bonds.meetings / accounts
    kinds[:, _NAMES.index("identity")] += seats.identity / accounts
    kinds[:, _NAMES.index("haste")] = seats.haste / accounts
    kinds[:, _NAMES.index("common customers")] = bonds.company / accounts
    kinds[:, _NAMES.index("newness")] = career.newness / promoters
    kinds[:, _NAMES.index("unseen")] = np.minimum(career.unseen / members, 3.0)
    kinds[:, _NAMES.index("prompt")] = np.minimum(career.prompt / members, 3.0)
    kinds[:, _NAMES.index("burst")] = np.minimum(career.burst, _BURST_MAX)
    heads = np.minimum(accounts, _HEADS_MAX)
    in_all = np.log1p(kinds[:, [_NAMES.index(name) for name in _IN_ALL]] * heads[:, None] / 2)
    for name, shown in _SHOWN.items():
        shows = np.asarray((dealings.traits[:, [place[trait] for trait in shown]] > 0).any(axis=1))
        kinds[:, _NAMES.index(name)] = _count_beyond_usual(dealings, ring, shows, members) / accounts
        whole = kinds[:, _NAMES.index(name)] * accounts
        in_all[:, _IN_ALL.index(name)] = np.log1p(whole / 2)
    sorts = [_sort_of(name) for name in _NAMES]
    by_weight = np.sort(
        np.stack([kinds[:, [sort == of for sort in sorts]].sum(axis=1) for of in dict.fromkeys(sorts)], axis=1), axis=1
    )
    agreement = by_weight[:, :-1].sum(axis=1)
    of_three = by_weight[:, :-2].sum(axis=1)
    is_refunding = refunding / members * (fit.by_trait[:, REFUND] > 0) * np.minimum(members, 8) / 8
    size = np.maximum(np.diff(dealings.starts), 1)
    features = np.column_stack(
        (
            in_all, np.minimum(kinds, 4.0), np.log1p(agreement * heads / 2), np.minimum(agreement, 6.0),
            np.log1p(of_three * heads / 2), np.minimum(of_three, 5.0), is_refunding, np.log1p(seats.both),
            np.log(promoters), np.log(accounts), fit.members / size,
            np.log1p(orders / members) - np.log1p(usual_orders),
        )
    )  # fmt: skip
    odds = LEARNT.weigh(features)
    odds[(fit.members + promoters < 4)] = -np.inf
    return Weighed(kinds, features, odds)


def _count_beyond_usual(dealings: Dealings, ring: Column, shows: Column, members: Column) -> Column:
    """Return the nats of how many more of each hub's members show something than members of hubs of like size do."""
    size = np.diff(dealings.starts)
    kind = np.clip(np.log2(np.maximum(size, 1)).astype(np.int64), 0, 10)
    of = kind[dealings.hub]
    usual = (np.bincount(of, shows, 11) + 20 * shows.mean()) / (np.bincount(of, minlength=11) + 20) if of.size else 0.0
    found = np.bincount(dealings.hub, ring & shows, size.size)
    expected = np.maximum(members * np.broadcast_to(usual, (11,))[kind], 0.05)
    nats: Column = np.where(found > expected, found * np.log(np.maximum(found, 1) / expected) - (found - expected), 0.0)
    return nats


def _sort_of(name: str) -> str | None:
    if name in _CLOSE:
        return "close"
    if name in _STEPS:
        return "steps"
    if name in KINDS:
        return KINDS[name][0].value
    return {"refunding": Family.REFUND.value, "seats": Family.IDENTITY.value}.get(name)


def get_weights() -> dict[str, object]:
    """Return what the odds are made of, for the report."""
    return {**LEARNT.describe(FEATURES), "burst_max": _BURST_MAX, "heads_max": _HEADS_MAX}
