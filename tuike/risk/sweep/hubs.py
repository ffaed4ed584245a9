"""Hubs: a promoter, or a few that belong together, with everybody who bought through them.

Every dealing (a buyer at a hub) is described by traits in small bins. What is ordinary is learnt from all other hubs of
like size; each hub is then read as a mixture of ordinary dealings and of a ring with habits of its own. A hub is
suspicious when the habits of that part are improbable among honest people in several independent respects.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuike.risk.model import MISSING, Family, IdentifierKind, Settings
from tuike.risk.sweep import kernels
from tuike.risk.sweep.ordering import find_changes, list_repeated, mark_common
from tuike.risk.sweep.trade import (
    DAY,
    HOUR,
    PERSONAL,
    STRONG,
    Column,
    Links,
    Places,
    Purchases,
    distinct,
    group_by,
    sort_by,
    to_starts,
)
from tuike.risk.sweep.world import World

if TYPE_CHECKING:
    from tuike.risk.sweep.clusters import Circles

BINS = 8
CLASSES = 7
TRAITS: tuple[tuple[str, Family, float], ...] = (
    ("personal links", Family.IDENTITY, 1.0),
    ("weak links", Family.IDENTITY, 0.4),
    ("dedication", Family.STRUCTURE, 0.7),
    ("orders", Family.STRUCTURE, 0.5),
    ("age", Family.LIFE, 0.8),
    ("lag", Family.TOUCH, 0.8),
    ("together in an hour", Family.TIME, 0.5),
    ("together in a week", Family.TIME, 0.4),
    ("goods in common", Family.TIME, 0.6),
    ("other hubs in common", Family.STRUCTURE, 0.6),
    ("refund", Family.REFUND, 1.0),
    ("amounts", Family.MANNER, 0.6),
    ("payment delay", Family.MANNER, 0.5),
    ("receipt delay", Family.MANNER, 0.5),
    ("registered together", Family.LIFE, 0.5),
    ("circle", Family.CYCLE, 1.0),
    ("lag repeated", Family.MANNER, 0.5),
    ("payment repeated", Family.MANNER, 0.4),
    ("hour", Family.MANNER, 0.4),
    ("goods crowd", Family.TIME, 0.5),
    ("own places", Family.IDENTITY, 0.4),
    ("wide personal links", Family.IDENTITY, 0.6),
    ("device links", Family.IDENTITY, 0.7),
    ("wide device links", Family.IDENTITY, 0.4),
    ("rounds", Family.CYCLE, 0.5),
    ("no device of their own", Family.IDENTITY, 0.5),
)
REFUND = 10
"""Where among the traits the refunds after settlement stand."""
FAMILIES = tuple(Family)
_PROMPT_ORDERS = 50
"""Of fewer orders nobody can say what is soon."""
_WEIGHTS = np.array([weight for _, _, weight in TRAITS])


@dataclass(slots=True)
class Dealings:
    """Buyers at hubs, sorted by hub; a promoter buying from himself is left out."""

    hub: Column
    buyer: Column
    starts: Column
    traits: Column
    orders: Column


@dataclass(slots=True)
class Fit:
    """What the mixture said: per dealing the probability of being the ring's, per hub the members and nats by trait."""

    share: Column
    members: Column
    by_trait: Column


def describe_dealings(
    world: World,
    purchases: Purchases,
    links: Links,
    hub_promoters: tuple[Column, Column],
    hubs: int,
    circles: "Circles",
) -> Dealings:
    """Describe each buyer at each hub; `hub_promoters` are parallel columns of hub and promoter."""
    hub_of, promoter_of = hub_promoters
    by_promoter = kernels.sort_by(promoter_of, world.promoters, None)
    starts = to_starts(promoter_of, world.promoters)
    credited = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0))
    promoter = purchases.promoter[credited]
    row, seat = kernels.spread(starts, by_promoter, promoter)
    order, hub = credited[row], hub_of[seat]
    buyer = purchases.buyer[order]
    person = world.person
    is_own = person[buyer + world.promoters] == person[purchases.promoter[order]]
    order, hub, buyer = order[~is_own], hub[~is_own], buyer[~is_own]
    keys = hub.astype(np.int64) * world.buyers + buyer
    groups = group_by(keys)
    keys, dealing = keys[groups.first], groups.number
    d_hub, d_buyer = keys // world.buyers, keys % world.buyers
    count = keys.size
    # From here on the orders of a hub stand together, so that what is looked at for one is near in memory.
    by_dealing = kernels.sort_by(dealing, count, None)
    order, hub, buyer, dealing = order[by_dealing], hub[by_dealing], buyer[by_dealing], dealing[by_dealing]
    d_starts = to_starts(d_hub, hubs)
    # Filled trait by trait, read dealing by dealing.
    traits = np.zeros((count, len(TRAITS)), np.int8, order="F")
    personal, device, weak = _count_links(world, links, d_hub, d_buyer, hub_promoters)
    traits[:, 0] = _bin_counts(personal)
    traits[:, 1] = _bin_counts(weak)
    traits[:, 22] = _bin_counts(device)
    orders = np.bincount(dealing, minlength=count)
    bought = np.bincount(purchases.buyer[credited], minlength=world.buyers)
    share = orders / np.maximum(bought[d_buyer], 1)
    traits[:, 2] = np.where(bought[d_buyer] == 1, 0, 1 + np.digitize(share, (0.25, 0.5, 0.75, 0.99)))
    traits[:, 3] = _bin_counts(orders - 1)
    age, lag, payment, receipt, late = kernels.measure_orders(
        order, dealing, buyer, purchases.at, purchases.paid, purchases.received, purchases.refunded, purchases.lag,
        world.registered_at, MISSING, 7 * DAY, count,
    )  # fmt: skip
    traits[:, 4] = _bin_quantiles(age)
    traits[:, 5] = _bin_quantiles(lag)
    late /= orders
    traits[:, 10] = np.where(late > 0.5, 2, np.where(late >= 0.2, 1, 0))
    traits[:, 12] = _bin_quantiles(payment)
    traits[:, 13] = _bin_quantiles(receipt)
    traits[:, 14] = _bin_nearness(world.registered_at[d_buyer], d_hub)
    traits[:, 16] = _bin_nearness(lag, d_hub)
    traits[:, 17] = _bin_nearness(payment, d_hub)
    traits[:, 18] = _bin_hours(purchases.at[order], dealing, count)
    line_order = kernels.sort_by(purchases.of_line, purchases.at.size, None)
    entry, line = kernels.spread(to_starts(purchases.of_line, purchases.at.size), line_order, order)
    _mark_together(world, purchases, order, hub, buyer, dealing, (entry, line), traits)
    traits[:, 9] = _bin_counts(_count_elsewhere(world, purchases, d_hub, d_buyer, hubs))
    traits[:, 11] = _bin_amounts(world, purchases, order, hub, dealing, count)
    traits[:, 19] = _bin_goods(world, hub, dealing, (entry, line), count)
    traits[:, 20], traits[:, 21], traits[:, 23] = _bin_places(world, d_hub, d_buyer)
    circling = np.flatnonzero(circles.on_circle[order])
    np.maximum.at(traits[:, 15], dealing[circling], circles.on_circle[order[circling]])
    rounds = np.zeros(count, np.int64)
    circling = np.flatnonzero(circles.rounds[order])
    np.maximum.at(rounds, dealing[circling], circles.rounds[order[circling]])
    traits[:, 24] = np.digitize(rounds, (1, 4, 6, 9))
    traits[:, 25] = _bin_own_devices(world, d_buyer, (traits[:, 22] > 0) | (traits[:, 23] > 0))
    traits = np.ascontiguousarray(traits)
    by_traits = sort_by(d_hub, *kernels.pack_bins(traits, BINS))
    return Dealings(d_hub[by_traits], d_buyer[by_traits], d_starts, traits[by_traits], orders[by_traits])


def _bin_counts(counts: Column) -> Column:
    return np.digitize(counts, (1, 2, 3, 5, 9, 17))


def _bin_quantiles(values: Column) -> Column:
    """Return bins by rank among all; the last is for the unknown."""
    known = values != MISSING
    bins = np.full(values.size, BINS - 1)
    if known.any():
        edges = np.quantile(values[known], (0.003, 0.015, 0.05, 0.15, 0.35, 0.65))
        bins[known] = np.searchsorted(edges, values[known], side="left")
    return bins


def _count_links(
    world: World, links: Links, d_hub: Column, d_buyer: Column, hub_promoters: tuple[Column, Column]
) -> tuple[Column, Column, Column]:
    """Count, for each dealing, with how many others at the hub (its promoters too) the buyer shares an identifier.

    Personal identifiers, else devices, else places.
    """
    hub_of, promoter_of = hub_promoters
    entries = d_hub.size
    who = np.concatenate((world.person[d_buyer + world.promoters], world.person[promoter_of])).astype(np.int64)
    where = np.concatenate((d_hub, hub_of)).astype(np.int64)
    # Who buys at a hub and promotes there too is counted as a buyer.
    order = sort_by(who, where, np.arange(who.size) >= entries)
    starts = to_starts(who, world.persons)
    found = []
    shared = ~links.is_own
    for use in (links.is_personal & shared, links.is_strong & ~links.is_personal & shared, ~links.is_strong):
        linked = np.zeros(entries + hub_of.size, np.int64)
        kernels.count_common(starts, where[order], links.left[use], links.right[use], linked, order)
        found.append(linked[:entries])
    return found[0], found[1], found[2]


def _mark_together(
    world: World, purchases: Purchases, order: Column, hub: Column, buyer: Column, dealing: Column,
    of_orders: tuple[Column, Column], traits: Column,
) -> None:  # fmt: skip
    """Fill the traits about buying the same goods at the same hub at about the same time.

    `of_orders` are the lines of all orders, with the entry that each belongs to.
    """
    lines = world.orders
    entry, line = of_orders
    use = (lines.sku[line] >= 0) & (purchases.at[order[entry]] != MISSING)
    entry, line = entry[use], line[use]
    if not entry.size:
        return
    key = hub[entry].astype(np.int64) * (len(lines.sku_ids) + 1) + lines.sku[line]
    at = purchases.at[order[entry]]
    by_time = sort_by(key, at, buyer[entry])
    group_starts = np.append(np.flatnonzero(find_changes(key[by_time])), by_time.size)
    owner, at, of_entry = buyer[entry[by_time]].astype(np.int64), at[by_time], dealing[entry[by_time]]
    count = traits.shape[0]
    for trait, window, room in ((6, HOUR, 64), (7, 7 * DAY, 64)):
        near = np.zeros(by_time.size, np.int64)
        kernels.count_near(group_starts, at, owner, window, room, near)
        most = np.zeros(count, np.int64)
        kernels.take_greatest(of_entry, near, most)
        traits[:, trait] = _bin_counts(most)
    # Who has two or more goods in common with how many others of the hub.
    pairs = distinct(key * count + dealing[entry])
    token, member = pairs // count, pairs % count
    starts = np.append(np.flatnonzero(find_changes(token)), token.size)
    users = np.diff(starts)
    chosen = _choose_tokens(users, 64, 4 * order.size)
    room = int((users[chosen] * (users[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, member, chosen, left, right, source)
    both = list_repeated(np.sort(left * count + right))
    partners = np.bincount(both // count, minlength=count) + np.bincount(both % count, minlength=count)
    traits[:, 8] = _bin_counts(partners)


def _choose_tokens(users: Column, most: int, budget: int) -> Column:
    """Return the tokens with 2 to `most` users, rare ones first, as many as the budget of pairs allows.

    The budget is cut at a number of users, never within one, so that no identifier decides.
    """
    fits = np.flatnonzero((users > 1) & (users <= most))
    if not fits.size:
        return fits
    sizes = np.arange(most + 1)
    work = np.cumsum(np.bincount(users[fits], minlength=most + 1) * (sizes * (sizes - 1) // 2))
    allowed = int(np.searchsorted(work, budget, side="right")) - 1
    return fits[users[fits] <= max(2, allowed)]


def _count_elsewhere(world: World, purchases: Purchases, d_hub: Column, d_buyer: Column, hubs: int) -> Column:
    """Count, for each dealing, the buyers of the hub who meet its buyer at another, not too popular, promoter too."""
    use = (purchases.promoter >= 0) & (purchases.buyer >= 0)
    pairs = distinct(purchases.promoter[use].astype(np.int64) * world.buyers + purchases.buyer[use])
    token, member = pairs // world.buyers, pairs % world.buyers
    users = np.bincount(token, minlength=world.promoters)
    chosen = _choose_tokens(users, 128, 6 * pairs.size)
    starts = to_starts(token, world.promoters)
    room = int((users[chosen] * (users[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, member, chosen, left, right, source)
    both = list_repeated(np.sort(left * world.buyers + right))
    order = sort_by(d_buyer, d_hub)
    linked = np.zeros(d_hub.size, np.int64)
    kernels.count_common(
        to_starts(d_buyer, world.buyers), d_hub[order], both // world.buyers, both % world.buyers,
        linked, order,
    )  # fmt: skip
    return linked


def _bin_amounts(world: World, purchases: Purchases, order: Column, hub: Column, dealing: Column, count: int) -> Column:
    """Return bins of how many of the hub's orders of other goods are worth about the same, as a part of them.

    The same goods at the same price prove nothing, so orders of the same goods are not compared.
    """
    lines = world.orders
    sku, code = kernels.find_cheapest(purchases.of_line, lines.amount, lines.sku, purchases.at.size)
    # Of goods that are as cheap none is the cheapest: such orders are of the same goods if all of those are.
    several = np.flatnonzero((code > 0) & (sku >= 0))
    sku[several] = len(world.orders.sku_ids) + np.unique(code[several], return_inverse=True)[1]
    sku = sku[order]
    amount = purchases.amount[order]
    use = np.flatnonzero((amount > 0) & (sku >= 0))
    by_amount = use[sort_by(hub[use], amount[use])]
    near, total = _count_near(np.log(amount[by_amount]) + hub[by_amount] * 100.0, hub[by_amount])
    by_sku = use[sort_by(hub[use], sku[use], amount[use])]
    change = np.ones(by_sku.size, bool)
    change[1:] = (hub[by_sku][1:] != hub[by_sku][:-1]) | (sku[by_sku][1:] != sku[by_sku][:-1])
    group = np.cumsum(change) - 1
    same, same_total = _count_near(np.log(amount[by_sku]) + group * 100.0, group)
    part = np.zeros(order.size)
    others = np.zeros(order.size)
    part[by_amount], others[by_amount] = near, total
    part[by_sku] -= same
    others[by_sku] -= same_total
    known = others >= 3
    times = np.maximum(np.bincount(dealing[known], minlength=count), 1)
    mean = np.bincount(dealing[known], part[known] / others[known], count) / times
    # Sums of fractions in another order of rows differ in the last digits, and would on an edge fall to its other side.
    bins = np.digitize(mean.round(9), (0.02, 0.05, 0.1, 0.2, 0.4, 0.7))
    bins[np.bincount(dealing[known], minlength=count) == 0] = BINS - 1
    return bins


def _count_near(scaled: Column, group: Column) -> tuple[Column, Column]:
    """Return how many of the (sorted) values lie within one per cent of each, itself too, and how many a group has."""
    near = kernels.count_close(scaled, 0.01)
    return near, np.bincount(group)[group] if group.size else near


def _bin_nearness(values: Column, hub: Column) -> Column:
    """Return bins of how improbably near the nearest value at the same hub is, given all values."""
    bins = np.full(values.size, BINS - 1)
    known = np.flatnonzero(values != MISSING)
    if known.size < 2:
        return bins
    everybody = Places(np.sort(values[known]))
    order = known[sort_by(hub[known], values[known])]
    at, group = values[order], hub[order]
    gap = np.full(order.size, np.iinfo(np.int64).max // 4)
    inside = group[1:] == group[:-1]
    step = np.where(inside, at[1:] - at[:-1], np.iinfo(np.int64).max // 4)
    gap[1:] = step
    gap[:-1] = np.minimum(gap[:-1], step)
    around = everybody.count_up_to(at + gap) - everybody.count_less(at - gap)
    expected = around / known.size * np.maximum(np.bincount(group)[group] - 1, 1)
    bins[order] = np.digitize(expected, (0.003, 0.01, 0.03, 0.1, 0.3, 1.0))
    return bins


def _bin_hours(at: Column, dealing: Column, count: int) -> Column:
    """Return bins of how seldom anybody orders at the hours at which most of a dealing's orders were placed."""
    known = at != MISSING
    bins = np.full(count, BINS - 1)
    if not known.any():
        return bins
    hour = (at[known] // HOUR) % 24
    part = np.bincount(hour, minlength=24) / hour.size
    by_part = np.argsort(part, kind="stable")
    below = np.empty(24)
    below[by_part] = np.cumsum(part[by_part])
    times = np.bincount(dealing[known], minlength=count)
    # An hour at which nobody orders is asked for by nobody.
    seldom = -np.log(np.maximum(below, 1.0 / hour.size))
    mean = np.bincount(dealing[known], seldom[hour], count) / np.maximum(times, 1)
    bins[times > 0] = np.digitize(mean[times > 0], (0.5, 1.0, 1.5, 2.0, 2.7, 3.5))
    return bins


def _bin_goods(world: World, hub: Column, dealing: Column, of_orders: tuple[Column, Column], count: int) -> Column:
    """Return bins of how many more of the hub's buyers bought the same goods than the goods' popularity explains."""
    lines = world.orders
    entry, line = of_orders
    sku = lines.sku[line].astype(np.int64)
    use = sku >= 0
    bins = np.full(count, BINS - 1)
    if not use.any():
        return bins
    width_sku = len(lines.sku_ids) + 1
    pairs = distinct(dealing[entry[use]] * width_sku + sku[use])
    who, what = pairs // width_sku, pairs % width_sku
    hub_of = np.zeros(count, np.int64)
    hub_of[dealing] = hub
    groups = group_by(hub_of[who] * width_sku + what)
    buyers = distinct(lines.buyer[lines.sku >= 0].astype(np.int64) * width_sku + lines.sku[lines.sku >= 0])
    popular = np.bincount(buyers % width_sku, minlength=width_sku) / max(1, world.buyers)
    taken = np.bincount(who, minlength=count)
    size = np.bincount(hub_of, minlength=int(hub_of.max()) + 1)
    others = groups.size[groups.number] - 1.0
    mean = np.bincount(hub_of, taken, size.size) / np.maximum(size, 1)
    usual = popular.sum()
    expected = (size[hub_of[who]] - 1) * popular[what] * mean[hub_of[who]] / max(usual, 1e-9)
    nats = np.where(
        others > expected,
        others * np.log(np.maximum(others, 1e-9) / np.maximum(expected, 1e-9)) - (others - expected),
        0.0,
    )
    most = np.zeros(count)
    np.maximum.at(most, who, nats)
    bins[distinct(who)] = np.digitize(most[distinct(who)], (1.0, 2.5, 5.0, 10.0, 20.0, 40.0))
    return bins


def _bin_places(world: World, d_hub: Column, d_buyer: Column) -> tuple[Column, Column, Column]:
    """Return bins of how many others of the hub share an identifier that is mostly the hub's.

    Weak kinds first, then personal ones, then devices.

    Pairs need not be looked at, so identifiers of any number of users count, if at least half of them deal here.
    """
    shown = world.identifiers
    found = [np.zeros(d_hub.size, np.int64) for _ in range(3)]
    if not shown.token.size or not d_hub.size:
        return found[0], found[1], found[2]
    uses = world.uses
    row, theirs = kernels.spread(uses.own_starts, uses.own, world.person[d_buyer + world.promoters])
    here = kernels.count_equal(to_starts(d_hub[row], int(d_hub[-1]) + 1), theirs, uses.users.size)
    often = np.flatnonzero(here >= 3)
    row, theirs, here = row[often], theirs[often], here[often]
    users, kind = uses.users[theirs], uses.kind[theirs]
    is_own = (users > 2) & (here * 2 >= users)
    for which, kinds in enumerate((frozenset(IdentifierKind) - STRONG, PERSONAL, STRONG - PERSONAL)):
        use = is_own & _is_any(kind, kinds)
        kernels.take_greatest(row[use], here[use], found[which])
    return _bin_counts(found[0]), _bin_counts(found[1]), _bin_counts(found[2])


def _is_any(kind: Column, kinds: frozenset[IdentifierKind]) -> Column:
    """Say of each number of a kind whether it is that of one of the kinds."""
    return np.array([one in kinds for one in IdentifierKind])[kind]


def _bin_own_devices(world: World, d_buyer: Column, shares: Column) -> Column:
    """Return bins of how little that nobody else uses a dealing's buyer has, where devices are shared at the hub.

    0: a device of the own, or none shared; 1: none, but a card or a phone; 2: neither. Who borrows a computer now and
    then has a telephone too; accounts that live on a shelf of devices have nothing else.
    """
    uses = world.uses
    has = np.zeros((3, world.persons), bool)
    is_device, is_personal = _is_any(uses.kind, STRONG - PERSONAL), _is_any(uses.kind, PERSONAL)
    alone = uses.users == 1
    for row, use in enumerate((is_device, is_device & alone, is_personal & alone)):
        has[row, uses.person[np.repeat(use, uses.users)]] = True
    who = world.person[d_buyer + world.promoters]
    bins = np.where(shares & ~has[1, who], np.where(has[2, who], 1, 2), 0)
    bins[~has[0, who]] = BINS - 1
    return bins


def count_shared(
    world: World, dealings: Dealings, fit: Fit, sorts: tuple[frozenset[IdentifierKind], ...]
) -> list[Column]:
    """Return, for each sort of identifiers, how many the ring's members share at each hub, the less used ones in part.

    One computer in a hall is one coincidence, however many use it; so is one card of a family.
    """
    hubs, uses = fit.members.size, world.uses
    inside = np.flatnonzero(fit.share >= 0.5)
    row, theirs = kernels.spread(uses.own_starts, uses.own, world.person[dealings.buyer[inside] + world.promoters])
    hub = dealings.hub[inside[row]]
    times = kernels.count_equal(to_starts(hub, hubs), theirs, uses.users.size)
    several = np.flatnonzero(times > 1)
    hub, times, kind = hub[several], times[several], uses.kind[theirs[several]]
    found = []
    for kinds in sorts:
        is_chosen = _is_any(kind, kinds)
        # What n members use is met n times here, so that its n squared is added up.
        square = np.bincount(hub[is_chosen], times[is_chosen], hubs)
        found.append(np.bincount(hub[is_chosen], minlength=hubs) ** 2 / np.maximum(square, 1.0))
    return found


def fit(dealings: Dealings, hubs: int, is_single: Column) -> Fit:
    """Read each hub as a mixture; `is_single` says which hubs are one promoter: they tell what is ordinary."""
    size = np.diff(dealings.starts)
    classes = np.clip(np.log2(np.maximum(size, 1)).astype(np.int64) - 1, 0, CLASSES - 1)
    tables = np.zeros((CLASSES, len(TRAITS), BINS))
    kernels.count_bins(dealings.traits, classes, dealings.starts, is_single, tables)
    pooled = tables.sum(axis=0)
    pooled = (pooled + 0.5) / (pooled.sum(axis=1, keepdims=True) + 0.5 * BINS)
    share, sums = np.zeros(dealings.hub.size), np.zeros((hubs, len(TRAITS)))
    kernels.fit_hubs(
        dealings.starts, dealings.traits, classes, is_single, tables, pooled, tables[:, 0].sum(axis=1), _WEIGHTS, 3.0,
        share, sums,
    )  # fmt: skip
    members = np.bincount(dealings.hub, np.where(share >= 0.5, 1.0, 0.0), hubs)
    # Filled hub by hub, read trait by trait.
    sums = np.asfortranarray(sums)
    by_trait = np.empty_like(sums)
    for trait in range(len(TRAITS)):
        mean = sums[:, trait] / np.maximum(members, 1)
        by_trait[:, trait] = mean - _find_usual(mean, classes, is_single & (members >= 3), size)
    return Fit(share, members, np.maximum(by_trait, 0.0))


def _find_usual(mean: Column, classes: Column, votes: Column, size: Column) -> Column:
    """Return how much honest hubs of like size differ among each other in a trait: what most of them stay below."""
    usual = np.zeros(mean.size)
    overall = float(np.quantile(mean[votes], 0.85)) if votes.any() else 0.0
    for kind in range(CLASSES):
        own = votes & (classes == kind)
        weight = own.sum()
        level = float(np.quantile(mean[own], 0.85)) if weight else 0.0
        usual[classes == kind] = (weight * level + 20 * overall) / (weight + 20)
    return np.maximum(usual, 0.0)


@dataclass(slots=True)
class Career:
    """What the promoters of each hub are to everybody else. Nats are for the whole hub, `burst` for each member.

    `newness`: how soon after joining they sell; `unseen`: how few open their links without buying; `burst`: into how
    small a part of all trade most of the ring's orders fall.
    """

    newness: Column
    unseen: Column
    burst: Column
    prompt: Column


def measure_careers(
    world: World, purchases: Purchases, dealings: Dealings, fit: Fit, hub_promoters: tuple[Column, Column]
) -> Career:
    """Measure what the promoters of each hub are to everybody else."""
    hub_of, promoter_of = hub_promoters
    hubs = fit.members.size
    credited = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0) & (purchases.at != MISSING))
    promoter, buyer, at = purchases.promoter[credited], purchases.buyer[credited], purchases.at[credited]
    # Newness: half of a promoter's orders are placed so soon after joining.
    by_promoter = sort_by(promoter, at)
    starts = to_starts(promoter, world.promoters)
    trade = np.diff(starts)
    middle = at[by_promoter[np.minimum(starts[:-1] + trade // 2, max(0, at.size - 1))]] if at.size else np.zeros(0)
    known = (trade >= 3) & (world.joined_at != MISSING)
    gap = np.sort((middle - world.joined_at)[known]) if known.any() else np.zeros(0)
    soon = np.zeros(world.promoters)
    if gap.size >= 20:
        rank = np.searchsorted(gap, (middle - world.joined_at)[known], side="right") / gap.size
        soon[known] = np.maximum(-np.log(rank) - 1.0, 0.0)
    newness = np.bincount(hub_of, soon[promoter_of], hubs)
    return Career(
        newness,
        _measure_unseen(world, buyer, promoter, hub_promoters, hubs),
        _measure_bursts(world, purchases, credited[by_promoter], dealings, fit, hub_promoters),
        np.bincount(hub_of, _measure_prompt(world, purchases)[promoter_of], hubs),
    )


def _measure_prompt(world: World, purchases: Purchases) -> Column:
    """Return the nats of four fifths of each promoter's orders being received so soon, where others wait.

    It is the likelihood ratio of the four fifths and of the part of all orders that arrive no later, once a customer.
    """
    use = np.flatnonzero(
        (purchases.promoter >= 0) & (purchases.buyer >= 0) & (purchases.at != MISSING) & (purchases.received != MISSING)
    )
    nats = np.zeros(world.promoters)
    if use.size < _PROMPT_ORDERS:
        return nats
    delay = purchases.received[use] - purchases.at[use]
    promoter = purchases.promoter[use]
    order = sort_by(promoter, delay)
    starts = to_starts(promoter, world.promoters)
    count = np.diff(starts)
    several = np.flatnonzero(count >= 3)
    most = delay[order[starts[several] + (count[several] * 4) // 5]]
    part = np.searchsorted(np.sort(delay), most, side="right") / (delay.size + 1)
    buyers = np.bincount(
        distinct(promoter.astype(np.int64) * world.buyers + purchases.buyer[use]) // world.buyers,
        minlength=world.promoters,
    )[several]
    each = np.where(part < 0.8, 0.8 * np.log(0.8 / part) + 0.2 * np.log(0.2 / (1.0 - part)), 0.0)
    nats[several] = np.maximum(each * (buyers - 1) - np.log(max(2, world.promoters)), 0.0)
    return nats


def _measure_unseen(
    world: World, buyer: Column, promoter: Column, hub_promoters: tuple[Column, Column], hubs: int
) -> Column:
    hub_of, promoter_of = hub_promoters
    touches = world.touches
    use = (touches.buyer >= 0) & (touches.promoter >= 0)
    if not use.any() or not buyer.size:
        return np.zeros(hubs)
    looked = distinct(touches.promoter[use].astype(np.int64) * world.buyers + touches.buyer[use])
    bought = distinct(promoter.astype(np.int64) * world.buyers + buyer)
    is_buyer = mark_common(looked, bought)
    inside = np.bincount(looked[is_buyer] // world.buyers, minlength=world.promoters)
    outside = np.bincount(looked[~is_buyer] // world.buyers, minlength=world.promoters)
    usual = float(np.median(outside[inside >= 3] / inside[inside >= 3])) if (inside >= 3).any() else 0.0
    expected = np.bincount(hub_of, inside[promoter_of], hubs) * usual
    found = np.bincount(hub_of, outside[promoter_of], hubs)
    nats = np.zeros(hubs)
    few = found < expected
    nats[few] = expected[few] - found[few] + found[few] * np.log(np.maximum(found[few], 1e-9) / expected[few])
    return nats


def _measure_bursts(
    world: World, purchases: Purchases, use: Column, dealings: Dealings, fit: Fit, hub_promoters: tuple[Column, Column]
) -> Column:
    """Measure how small a part of all trade most of each ring's orders fall into.

    `use` are the orders to look at, sorted by promoter, so that what is searched for one lies near in memory.
    """
    hub_of, promoter_of = hub_promoters
    hubs = fit.members.size
    everybody = np.sort(purchases.at[use])
    burst = np.zeros(hubs)
    if not use.size or not dealings.hub.size:
        return burst
    order, seat = spread_over_hubs(world, purchases.promoter[use], hub_of, promoter_of)
    # One member alone is no burst.
    several = fit.members[hub_of[seat]] >= 2
    order, seat = order[several], seat[several]
    hub, at, buyer = hub_of[seat], purchases.at[use][order], purchases.buyer[use][order]
    ring = np.sort((dealings.hub * world.buyers + dealings.buyer)[fit.share >= 0.5])
    key = hub * world.buyers + buyer
    place = np.minimum(Places(ring).count_less(key), max(0, ring.size - 1))
    mine = ring[place] == key if ring.size else np.zeros(key.size, bool)
    hub, at, who = hub[mine], at[mine], buyer[mine]
    by_hub = sort_by(hub, at)
    starts = to_starts(hub, hubs)
    count = np.diff(starts)
    several = np.flatnonzero(count >= 3)
    low = at[by_hub[starts[several] + count[several] // 10]]
    high = at[by_hub[starts[several + 1] - 1 - count[several] // 10]]
    part = np.searchsorted(everybody, high, side="right") - np.searchsorted(everybody, low, side="left")
    # Of so many members all but one come by chance into the same part; hubs are chosen among as many as promoters.
    members = np.bincount(distinct(hub * world.buyers + who) // world.buyers, minlength=hubs)[several]
    nats = -np.log(np.maximum(part, count[several]) / everybody.size)
    burst[several] = np.maximum((members - 1) * nats - np.log(max(2, world.promoters)), 0.0) / np.maximum(members, 1)
    return burst


def spread_over_hubs(world: World, promoter: Column, hub_of: Column, promoter_of: Column) -> tuple[Column, Column]:
    """Return, for rows with a promoter each, every pair of row and seat of that promoter in a hub."""
    by_promoter = kernels.sort_by(promoter_of, world.promoters, None)
    starts = to_starts(promoter_of, world.promoters)
    row, seat = kernels.spread(starts, by_promoter, promoter)
    return row, seat


def get_settings_of_traits(_: Settings) -> list[dict[str, object]]:
    """Return the traits with family and weight, for the report."""
    return [{"trait": name, "family": family.value, "weight": weight} for name, family, weight in TRAITS]
