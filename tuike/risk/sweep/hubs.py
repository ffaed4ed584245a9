"""Hubs: a promoter, or a few that belong together, with everybody who bought through them.

Every dealing (a buyer at a hub) is described by traits in small bins. What is ordinary is learnt from all other hubs of
like size; each hub is then read as a mixture of ordinary dealings and of a ring with habits of its own. A hub is
suspicious when the habits of that part are improbable among honest people in several independent respects.
"""

from dataclasses import dataclass

import numpy as np

from tuike.risk.model import MISSING, Family, Settings
from tuike.risk.sweep import kernels
from tuike.risk.sweep.trade import DAY, HOUR, Column, Links, Purchases, to_starts
from tuike.risk.sweep.world import World

BINS = 8
CLASSES = 7
TRAITS: tuple[tuple[str, Family, float], ...] = (
    ("strong links", Family.IDENTITY, 1.0),
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
)
REFUND = 10
"""Where among the traits the refunds after settlement stand."""
FAMILIES = tuple(Family)
_FAMILY_OF = np.array([FAMILIES.index(family) for _, family, _ in TRAITS])
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
    """What the mixture said: per dealing the probability of being the ring's and the nats by family."""

    share: Column
    nats: Column
    hub_nats: Column
    members: Column
    by_trait: Column


def describe_dealings(
    world: World, purchases: Purchases, links: Links, hub_promoters: tuple[Column, Column], hubs: int, on_circle: Column
) -> Dealings:
    """Describe each buyer at each hub; `hub_promoters` are parallel columns of hub and promoter."""
    hub_of, promoter_of = hub_promoters
    by_promoter = np.argsort(promoter_of, kind="stable")
    starts = to_starts(promoter_of[by_promoter], world.promoters)
    credited = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0))
    promoter = purchases.promoter[credited]
    width = (starts[1:] - starts[:-1])[promoter]
    order = np.repeat(credited, width)
    offset = np.arange(order.size) - np.repeat(np.cumsum(width) - width, width)
    hub = hub_of[by_promoter[np.repeat(starts[promoter], width) + offset]]
    buyer = purchases.buyer[order]
    person = world.person
    is_own = person[buyer + world.promoters] == person[purchases.promoter[order]]
    order, hub, buyer = order[~is_own], hub[~is_own], buyer[~is_own]
    keys, dealing = np.unique(hub.astype(np.int64) * world.buyers + buyer, return_inverse=True)
    d_hub, d_buyer = keys // world.buyers, keys % world.buyers
    count = keys.size
    d_starts = to_starts(d_hub, hubs)
    traits = np.zeros((count, len(TRAITS)), np.int8)
    strong, weak = _count_links(world, links, d_hub, d_buyer, hub_promoters, hubs)
    traits[:, 0] = _bin_counts(strong)
    traits[:, 1] = _bin_counts(weak)
    orders = np.bincount(dealing, minlength=count)
    bought = np.bincount(purchases.buyer[credited], minlength=world.buyers)
    share = orders / np.maximum(bought[d_buyer], 1)
    traits[:, 2] = np.where(bought[d_buyer] == 1, 0, 1 + np.digitize(share, (0.25, 0.5, 0.75, 0.99)))
    traits[:, 3] = _bin_counts(orders - 1)
    at, lag = purchases.at[order], purchases.lag[order]
    known = at != MISSING
    since = world.registered_at[buyer]
    age = _least(dealing, np.where(known & (since != MISSING), at - since, MISSING), count)
    traits[:, 4] = _bin_quantiles(age)
    traits[:, 5] = _bin_quantiles(_least(dealing, lag, count))
    _mark_together(world, purchases, order, hub, buyer, dealing, traits)
    traits[:, 9] = _bin_counts(_count_elsewhere(world, purchases, d_hub, d_buyer, hubs))
    back = purchases.refunded[order]
    settled = purchases.received[order]
    settled = np.where(settled == MISSING, np.maximum(at, purchases.paid[order]), settled)
    is_late = (back != MISSING) & (settled != MISSING) & (back - settled >= 7 * DAY)
    late = np.bincount(dealing, is_late, count) / orders
    traits[:, 10] = np.where(late > 0.5, 2, np.where(late > 0, 1, 0))
    traits[:, 11] = _bin_amounts(world, purchases, order, hub, dealing, count)
    paid = purchases.paid[order]
    traits[:, 12] = _bin_quantiles(_least(dealing, np.where((paid != MISSING) & known, paid - at, MISSING), count))
    got = purchases.received[order]
    traits[:, 13] = _bin_quantiles(
        _least(dealing, np.where((got != MISSING) & (paid != MISSING), got - paid, MISSING), count)
    )
    traits[:, 14] = _bin_registrations(world.registered_at[d_buyer], d_hub, d_starts)
    np.maximum.at(traits[:, 15], dealing, on_circle[order])
    by_traits = np.lexsort((*traits.T, d_hub))
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


def _least(group: Column, values: Column, count: int) -> Column:
    known = values != MISSING
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, group[known], values[known])
    least[least == np.iinfo(np.int64).max] = MISSING
    return least


def _count_links(
    world: World, links: Links, d_hub: Column, d_buyer: Column, hub_promoters: tuple[Column, Column], hubs: int
) -> tuple[Column, Column]:
    """Count, for each dealing, with how many others at the hub (its promoters too) the buyer shares an identifier."""
    hub_of, promoter_of = hub_promoters
    entries = d_hub.size
    who = np.concatenate((world.person[d_buyer + world.promoters], world.person[promoter_of])).astype(np.int64)
    where = np.concatenate((d_hub, hub_of)).astype(np.int64)
    order = np.lexsort((where, who))
    starts = to_starts(who[order], world.persons)
    found = []
    for strong in (True, False):
        linked = np.zeros(entries + hub_of.size, np.int64)
        use = links.is_strong if strong else ~links.is_strong
        kernels.count_common(starts, where[order], links.left[use], links.right[use], linked, order)
        found.append(linked[:entries])
    return found[0], found[1]


def _mark_together(
    world: World, purchases: Purchases, order: Column, hub: Column, buyer: Column, dealing: Column, traits: Column
) -> None:
    """Fill the traits about buying the same goods at the same hub at about the same time."""
    lines = world.orders
    line_order = np.argsort(purchases.of_line, kind="stable")
    starts = to_starts(purchases.of_line[line_order], purchases.at.size)
    width = (starts[1:] - starts[:-1])[order]
    entry = np.repeat(np.arange(order.size), width)
    offset = np.arange(entry.size) - np.repeat(np.cumsum(width) - width, width)
    line = line_order[np.repeat(starts[order], width) + offset]
    use = (lines.sku[line] >= 0) & (purchases.at[order[entry]] != MISSING)
    entry, line = entry[use], line[use]
    if not entry.size:
        return
    key = hub[entry].astype(np.int64) * (len(lines.sku_ids) + 1) + lines.sku[line]
    at = purchases.at[order[entry]]
    by_time = np.lexsort((at, key))
    _groups, group_starts = np.unique(key[by_time], return_index=True)
    group_starts = np.append(group_starts, by_time.size).astype(np.int64)
    owner = buyer[entry[by_time]].astype(np.int64)
    count = traits.shape[0]
    for trait, window, room in ((6, HOUR, 64), (7, 7 * DAY, 64)):
        near = np.zeros(by_time.size, np.int64)
        kernels.count_near(group_starts, at[by_time], owner, window, room, near)
        most = np.zeros(count, np.int64)
        np.maximum.at(most, dealing[entry[by_time]], near)
        traits[:, trait] = _bin_counts(most)
    # Who has two or more goods in common with how many others of the hub.
    pairs = np.unique(key * count + dealing[entry])
    token, member = pairs // count, pairs % count
    _, starts, users = np.unique(token, return_index=True, return_counts=True)
    chosen = _choose_tokens(users, 64, 4 * order.size)
    starts = np.append(starts, token.size).astype(np.int64)
    room = int((users[chosen] * (users[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, member, chosen, left, right, source)
    both, times = np.unique(left * count + right, return_counts=True)
    both = both[times > 1]
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
    pairs = np.unique(purchases.promoter[use].astype(np.int64) * world.buyers + purchases.buyer[use])
    token, member = pairs // world.buyers, pairs % world.buyers
    users = np.bincount(token, minlength=world.promoters)
    chosen = _choose_tokens(users, 128, 6 * pairs.size)
    starts = to_starts(token, world.promoters)
    room = int((users[chosen] * (users[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, member, chosen, left, right, source)
    both, times = np.unique(left * world.buyers + right, return_counts=True)
    both = both[times > 1]
    order = np.lexsort((d_hub, d_buyer))
    linked = np.zeros(d_hub.size, np.int64)
    kernels.count_common(
        to_starts(d_buyer[order], world.buyers), d_hub[order], both // world.buyers, both % world.buyers,
        linked, order,
    )  # fmt: skip
    return linked


def _bin_amounts(world: World, purchases: Purchases, order: Column, hub: Column, dealing: Column, count: int) -> Column:
    """Return bins of how many of the hub's orders of other goods are worth about the same, as a part of them.

    The same goods at the same price prove nothing, so orders of the same goods are not compared.
    """
    first_line = np.full(purchases.at.size, -1)
    cheapest = np.lexsort((world.orders.sku, world.orders.amount, purchases.of_line))[::-1]
    first_line[purchases.of_line[cheapest]] = cheapest
    sku = world.orders.sku[first_line][order]
    amount = purchases.amount[order]
    use = np.flatnonzero((amount > 0) & (sku >= 0))
    by_amount = use[np.lexsort((amount[use], hub[use]))]
    near, total = _count_near(np.log(amount[by_amount]) + hub[by_amount] * 100.0, hub[by_amount])
    by_sku = use[np.lexsort((amount[use], sku[use], hub[use]))]
    group = np.unique(
        hub[by_sku].astype(np.int64) * (len(world.orders.sku_ids) + 1) + sku[by_sku], return_inverse=True
    )[1]
    same, same_total = _count_near(np.log(amount[by_sku]) + group * 100.0, group)
    part = np.zeros(order.size)
    others = np.zeros(order.size)
    part[by_amount], others[by_amount] = near, total
    part[by_sku] -= same
    others[by_sku] -= same_total
    known = others >= 3
    times = np.maximum(np.bincount(dealing[known], minlength=count), 1)
    mean = np.bincount(dealing[known], part[known] / others[known], count) / times
    bins = np.digitize(mean, (0.02, 0.05, 0.1, 0.2, 0.4, 0.7))
    bins[np.bincount(dealing[known], minlength=count) == 0] = BINS - 1
    return bins


def _count_near(scaled: Column, group: Column) -> tuple[Column, Column]:
    """Return how many of the (sorted) values lie within one per cent of each, itself too, and how many a group has."""
    near = np.searchsorted(scaled, scaled + 0.01, side="right") - np.searchsorted(scaled, scaled - 0.01, side="left")
    return near, np.bincount(group)[group] if group.size else near


def _bin_registrations(registered: Column, hub: Column, starts: Column) -> Column:
    """Return bins of how improbably near in time the nearest registration at the same hub is."""
    bins = np.full(registered.size, BINS - 1)
    known = np.flatnonzero(registered != MISSING)
    if known.size < 2:
        return bins
    everybody = np.sort(registered[known])
    order = known[np.lexsort((registered[known], hub[known]))]
    at, group = registered[order], hub[order]
    gap = np.full(order.size, np.iinfo(np.int64).max // 4)
    inside = group[1:] == group[:-1]
    step = np.where(inside, at[1:] - at[:-1], np.iinfo(np.int64).max // 4)
    gap[1:] = step
    gap[:-1] = np.minimum(gap[:-1], step)
    around = np.searchsorted(everybody, at + gap, side="right") - np.searchsorted(everybody, at - gap, side="left")
    expected = around / everybody.size * np.maximum(np.bincount(group)[group] - 1, 1)
    bins[order] = np.digitize(expected, (0.003, 0.01, 0.03, 0.1, 0.3, 1.0))
    return bins


def fit(dealings: Dealings, hubs: int, is_single: Column) -> Fit:
    """Read each hub as a mixture; `is_single` says which hubs are one promoter: they tell what is ordinary."""
    size = np.diff(dealings.starts)
    classes = np.clip(np.log2(np.maximum(size, 1)).astype(np.int64) - 1, 0, CLASSES - 1)
    count = dealings.hub.size
    tables = np.zeros((CLASSES, len(TRAITS), BINS))
    voter = is_single[dealings.hub]
    kind = classes[dealings.hub]
    for trait in range(len(TRAITS)):
        np.add.at(tables[:, trait], (kind[voter], dealings.traits[voter, trait]), 1.0)
    pooled = tables.sum(axis=0)
    pooled = (pooled + 0.5) / (pooled.sum(axis=1, keepdims=True) + 0.5 * BINS)
    share, llr = np.zeros(count), np.zeros((count, len(TRAITS)))
    kernels.fit_hubs(
        dealings.starts, dealings.traits, classes, is_single, tables, pooled, tables[:, 0].sum(axis=1), _WEIGHTS, 3.0,
        share, llr,
    )  # fmt: skip
    ring = np.where(share >= 0.5, 1.0, 0.0)
    members = np.bincount(dealings.hub, ring, hubs)
    by_trait = np.empty((hubs, len(TRAITS)))
    for trait in range(len(TRAITS)):
        mean = np.bincount(dealings.hub, ring * llr[:, trait], hubs) / np.maximum(members, 1)
        by_trait[:, trait] = mean - _find_usual(mean, classes, is_single & (members >= 3), size)
    by_trait = np.maximum(by_trait, 0.0)
    nats = np.zeros((count, len(FAMILIES)))
    hub_nats = np.zeros((hubs, len(FAMILIES)))
    for trait, family in enumerate(_FAMILY_OF):
        nats[:, family] += llr[:, trait]
        hub_nats[:, family] += by_trait[:, trait]
    return Fit(share, nats, hub_nats, members, by_trait)


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


def get_settings_of_traits(_: Settings) -> list[dict[str, object]]:
    """Return the traits with family and weight, for the report."""
    return [{"trait": name, "family": family.value, "weight": weight} for name, family, weight in TRAITS]
