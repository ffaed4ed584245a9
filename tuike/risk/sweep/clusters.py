"""Which promoters belong together: one payout, one device, the same customers, customers who share devices, circles."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tuike.risk.model import MISSING, IdentifierKind, Settings
from tuike.risk.sweep import kernels
from tuike.risk.sweep.trade import (
    DAY,
    STRONG,
    Column,
    Links,
    Purchases,
    distinct,
    sort_by,
    to_starts,
)
from tuike.risk.sweep.world import World

Hubs = tuple[Column, Column, int]
"""Parallel columns of hub and promoter, and how many hubs there are."""
_PER_BUYER_MAX = 40
_CIRCLE_MAX = 60
_CLOSED = 0.7
"""Which part of a circle, at least, buys so large a part from one other alone, if it is closed."""
_HASTY = 0.06
"""The part of all invitees who joined soonest after their inviters."""


def list_single_hubs(world: World) -> Hubs:
    """Return every promoter as a hub of its own."""
    each = np.arange(world.promoters, dtype=np.int64)
    return each, each, world.promoters


def add_clusters(world: World, purchases: Purchases, links: Links, circles: Column, settings: Settings) -> Hubs:
    """Return every promoter as a hub, then every cluster of promoters that belong together for one reason."""
    hub_of, promoter_of, count = list_single_hubs(world)
    hubs, promoters, seen = [hub_of], [promoter_of], set()
    reasons = [
        _pair_by_identity(world, links),
        _pair_by_customers(world, purchases),
        _pair_by_linked_customers(world, purchases, links),
        _pair_by_haste(world),
        _pair_by_heavy_customers(world, purchases),
        _pair_by_places(world, purchases),
    ]
    reasons.append((np.concatenate([left for left, _ in reasons]), np.concatenate([right for _, right in reasons])))
    for left, right in reasons:
        for cluster in _components(left, right, world.promoters):
            key = cluster.tobytes()
            if key not in seen and cluster.size <= 200:
                seen.add(key)
                hubs.append(np.full(cluster.size, count, np.int64))
                promoters.append(cluster.astype(np.int64))
                count += 1
    for circle in distinct(circles[circles >= 0]).tolist():
        cluster = np.flatnonzero(circles == circle)
        key = cluster.astype(np.int32).tobytes()
        if cluster.size > 1 and key not in seen:
            seen.add(key)
            hubs.append(np.full(cluster.size, count, np.int64))
            promoters.append(cluster.astype(np.int64))
            count += 1
    return np.concatenate(hubs), np.concatenate(promoters), count


def _components(left: Column, right: Column, size: int) -> list[Column]:
    """Return the groups of two or more that pairs connect, each sorted."""
    if not left.size:
        return []
    graph = coo_matrix((np.ones(left.size, np.int8), (left, right)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1]
    touched = distinct(np.concatenate((left, right)))
    order = touched[np.argsort(labels[touched], kind="stable")].astype(np.int32)
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _to_promoters(world: World) -> tuple[Column, Column]:
    """Return the promoter accounts sorted by person, and where each person's begin."""
    person = world.person[: world.promoters]
    order = np.argsort(person, kind="stable")
    return order, to_starts(person, world.persons)


def _pair_by_identity(world: World, links: Links, which: Column | None = None) -> tuple[Column, Column]:
    order, starts = _to_promoters(world)
    has = np.diff(starts) > 0
    use = (links.is_strong if which is None else which) & has[links.left] & has[links.right]
    return order[starts[links.left[use]]], order[starts[links.right[use]]]


def _pair_by_customers(world: World, purchases: Purchases) -> tuple[Column, Column]:
    """Pair promoters whose customers are largely the same, far beyond chance."""
    if not world.promoters:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    buyer, promoter = purchases.customers
    customers = np.bincount(promoter, minlength=world.promoters)
    starts = to_starts(buyer, world.buyers)
    degree = np.diff(starts)
    chosen = np.flatnonzero((degree > 1) & (degree <= _PER_BUYER_MAX))
    room = int((degree[chosen] * (degree[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, promoter, chosen, left, right, source)
    pairs, common = np.unique(left * world.promoters + right, return_counts=True)
    left, right = pairs // world.promoters, pairs % world.promoters
    few = np.minimum(customers[left], customers[right])
    many = np.maximum(customers[left], customers[right])
    expected = few * np.minimum(1.0, many / max(1, (degree > 0).sum()))
    close = (common >= 3) & (common - expected >= 0.3 * many) & (common > 4 * expected)
    return left[close], right[close]


def _pair_by_linked_customers(world: World, purchases: Purchases, links: Links) -> tuple[Column, Column]:
    """Pair promoters many of whose customers share identifiers with the other's customers."""
    if not world.promoters or not links.left.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    buyer, promoter = purchases.customers
    customers = np.bincount(promoter, minlength=world.promoters)
    person = world.person[world.promoters :][buyer]
    order = sort_by(person, promoter)
    starts = to_starts(person, world.persons)
    degree = np.diff(starts)
    use = links.is_strong & (degree[links.left] <= 12) & (degree[links.right] <= 12)
    a, b = links.left[use], links.right[use]
    width = degree[a] * degree[b]
    link = np.repeat(np.arange(a.size), width)
    offset = np.arange(link.size) - np.repeat(np.cumsum(width) - width, width)
    one = promoter[order[starts[a[link]] + offset // np.maximum(degree[b[link]], 1)]]
    other = promoter[order[starts[b[link]] + offset % np.maximum(degree[b[link]], 1)]]
    apart = one != other
    low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
    pairs, times = np.unique(low * world.promoters + high, return_counts=True)
    left, right = pairs // world.promoters, pairs % world.promoters
    few = np.minimum(customers[left], customers[right])
    many = np.maximum(customers[left], customers[right])
    close = (times >= 1) & (times >= 0.5 * few) & (many <= 30) & (few * 4 >= many)
    return left[close], right[close]


def _pair_by_heavy_customers(world: World, purchases: Purchases) -> tuple[Column, Column]:
    """Pair promoters with few customers who hand their best ones on to the next now and then, round in a circle."""
    nothing = np.empty(0, np.int64)
    use = (purchases.promoter >= 0) & (purchases.buyer >= 0)
    if not use.any():
        return nothing, nothing
    key = purchases.buyer[use].astype(np.int64) * world.promoters + purchases.promoter[use]
    pairs, times = np.unique(key, return_counts=True)
    promoter = pairs % world.promoters
    trade = np.bincount(promoter, times, world.promoters)
    customers = np.bincount(promoter, minlength=world.promoters)
    some = (times >= 0.1 * trade[promoter]) & (customers[promoter] <= 8)
    buyer, times, promoter = pairs[some] // world.promoters, times[some], promoter[some]
    starts = to_starts(buyer, world.buyers)
    chosen = np.flatnonzero((np.diff(starts) > 1) & (np.diff(starts) <= 12))
    left, right = _list_pairs(starts, np.arange(buyer.size), chosen)
    # From where a customer is at home to where that customer also goes.
    ends = [(left, right), (right, left)]
    heavy = [(times[a] >= 3) & (times[a] >= 0.4 * trade[promoter[a]]) for a, _ in ends]
    at_home = np.concatenate([promoter[a][ok] for (a, _), ok in zip(ends, heavy, strict=True)])
    other = np.concatenate([promoter[b][ok] for (_, b), ok in zip(ends, heavy, strict=True)])
    graph = coo_matrix((np.ones(at_home.size, np.int8), (at_home, other)), shape=(world.promoters, world.promoters))
    label = connected_components(graph, directed=True, connection="strong")[1]
    inside = (label[at_home] == label[other]) & (np.bincount(label)[label[at_home]] >= 3)
    return at_home[inside], other[inside]


def _list_pairs(starts: Column, members: Column, chosen: Column) -> tuple[Column, Column]:
    width = np.diff(starts)[chosen]
    room = int((width * (width - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, members, chosen, left, right, source)
    return left, right


def _pair_by_places(world: World, purchases: Purchases) -> tuple[Column, Column]:
    """Pair promoters who have most users of a strong identifier for customers, however many those are."""
    shown = world.identifiers
    nothing = np.empty(0, np.int64)
    buyer, promoter = purchases.customers
    if not shown.token.size or not buyer.size:
        return nothing, nothing
    strong = np.isin(shown.kind, [number for number, kind in enumerate(IdentifierKind) if kind in STRONG])
    strong &= shown.account >= world.promoters
    uses = distinct(shown.token[strong].astype(np.int64) * world.buyers + shown.account[strong] - world.promoters)
    token, user = uses // world.buyers, uses % world.buyers
    users = np.bincount(token)
    wide = (users[token] > 4) & (users[token] <= 400)
    token, user = token[wide], user[wide]
    starts = to_starts(buyer, world.buyers)
    width = starts[user + 1] - starts[user]
    row = np.repeat(np.arange(user.size), width)
    offset = np.arange(row.size) - np.repeat(np.cumsum(width) - width, width)
    seen, times = np.unique(token[row] * world.promoters + promoter[starts[user[row]] + offset], return_counts=True)
    at, whose = seen // world.promoters, seen % world.promoters
    many = (times >= 3) & (times >= 0.2 * users[at])
    at, whose, times = at[many], whose[many], times[many]
    fits = np.bincount(at, times, users.size) >= 0.7 * users
    at, whose = at[fits[at]], whose[fits[at]]
    starts = to_starts(at, users.size)
    return _list_pairs(starts, whose, np.flatnonzero((np.diff(starts) > 1) & (np.diff(starts) <= 6)))


def _pair_by_haste(world: World) -> tuple[Column, Column]:
    """Pair inviter and invitee who joined remarkably soon one after the other."""
    invited = np.flatnonzero((world.inviters >= 0) & (world.inviters != np.arange(world.promoters)))
    joined, above = world.joined_at[invited], world.joined_at[world.inviters[invited]]
    known = (joined != MISSING) & (above != MISSING)
    invited, gap = invited[known], np.abs(joined - above)[known]
    if invited.size < 20:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    hasty = gap <= min(np.quantile(gap, _HASTY), 7 * DAY)
    return invited[hasty], world.inviters[invited[hasty]].astype(np.int64)


@dataclass(slots=True)
class Circles:
    """Who buys in circles: persons who buy through one another.

    `on_circle`, for each purchase: 0 to 3 short cycles that it lies on, 4 and 5 if all on a circle bought more than
    once. `rounds`, for each purchase: how often its buyer bought there, on a circle of three or more who all did at
    least three times. `number`, for each promoter: its circle or -1. `cycles` are counted by length. `closed`, for each
    promoter: the nats of its person's buying from one of the circle alone.
    """

    on_circle: Column
    rounds: Column
    number: Column
    cycles: Column
    closed: Column


def find_circles(world: World, purchases: Purchases, links: Links, settings: Settings) -> Circles:
    """Find who buys in circles."""
    alias = _join_aliases(world, links)
    use = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0))
    source = alias[world.person[purchases.buyer[use] + world.promoters]].astype(np.int64)
    target = alias[world.person[purchases.promoter[use]]].astype(np.int64)
    size = world.persons
    both = np.zeros(size, np.int8)
    both[source] |= 1
    both[target] |= 2
    inner = (source != target) & (both[source] == 3) & (both[target] == 3)
    use, source, target = use[inner], source[inner], target[inner]
    on_circle, circles = np.zeros(purchases.at.size, np.int8), np.full(world.promoters, -1, np.int64)
    rounds = np.zeros(purchases.at.size, np.int64)
    if not use.size:
        return Circles(on_circle, rounds, circles, np.zeros(5, np.int64), np.zeros(world.promoters))
    keys, edge = np.unique(source * size + target, return_inverse=True)
    starts, targets = to_starts(keys // size, size), (keys % size).astype(np.int64)
    on_edge = np.zeros(keys.size, np.int64)
    found = kernels.find_cycles(starts, targets, on_edge, settings.cycle_length_max)
    times = np.bincount(edge, minlength=keys.size)
    on_circle[use] = np.minimum(on_edge[edge], 3)
    # Circles proper: persons who buy again and again, strongly connected; three times is no chance among friends.
    for often in (2, 3):
        label, size_of = _find_strong(keys[times >= often], size)
        within = (times[edge] >= often) & (label[source] == label[target]) & (size_of[label[source]] >= 3)
        within &= size_of[label[source]] <= _CIRCLE_MAX
        if often == 3:
            rounds[use[within]] = times[edge[within]]
            continue
        on_circle[use[within]] = np.where(on_edge[edge[within]] > 0, 5, 4)
        of_promoter = label[alias[world.person[: world.promoters]]]
        is_circle = (size_of[of_promoter] >= 2) & (size_of[of_promoter] <= _CIRCLE_MAX)
        circles[:] = np.where(is_circle, of_promoter, -1)
        closed = _measure_closed(keys, times, label, size_of, size)
    return Circles(on_circle, rounds, circles, found, closed[alias[world.person[: world.promoters]]])


def _measure_closed(keys: Column, times: Column, label: Column, size_of: Column, size: int) -> Column:
    """Return the nats of each person's buying from one other of its circle alone, who sells to no other promoter.

    Friends buy now from one and now from another; a ring hands money round. That somebody came back at all is why the
    circle is looked at; each further purchase would have gone to any of the others alike.
    """
    source, target = keys // size, keys % size
    others = size_of[label[source]] - 1
    bought, sold = np.bincount(source, times, size)[source], np.bincount(target, times, size)[target]
    is_only = (label[source] == label[target]) & (others >= 2) & (others < _CIRCLE_MAX)
    is_only &= (times >= 3) & (times >= _CLOSED * bought) & (times >= _CLOSED * sold)
    closed = np.zeros(size)
    closed[source[is_only]] = (times[is_only] - 2) * np.log(others[is_only])
    # A couple among many friends makes no ring of them.
    whole = np.bincount(label, closed > 0, label.max() + 1) >= np.maximum(3, _CLOSED * size_of)
    return np.where(whole[label], closed, 0.0)


def _find_strong(keys: Column, size: int) -> tuple[Column, Column]:
    """Return the strongly connected component of each vertex, and how many vertices each has."""
    graph = coo_matrix((np.ones(keys.size, np.int8), (keys // size, keys % size)), shape=(size, size))
    labels: Column = connected_components(graph, directed=True, connection="strong")[1]
    return labels, np.bincount(labels)


def _join_aliases(world: World, links: Links) -> Column:
    """Return one number for persons who are likely the same: one promoter and one buyer alone on an identifier."""
    use = links.is_own
    graph = coo_matrix(
        (np.ones(int(use.sum()), np.int8), (links.left[use], links.right[use])), shape=(world.persons, world.persons)
    )
    return connected_components(graph, directed=False)[1]


@dataclass(slots=True)
class Seats:
    """What the promoters of each hub tell by themselves. Nats are for the whole hub.

    `identity`: shared personal identifiers; `haste`: the longest chain of promoters who joined remarkably soon below
    each other; `both`: how many show both. `is_linked` and `is_hasty` tell it of each seat (parallel to the columns of
    the hubs).
    """

    identity: Column
    haste: Column
    both: Column
    is_linked: Column
    is_hasty: Column


def measure_seats(world: World, links: Links, hub_of: Column, promoter_of: Column, hubs: int) -> Seats:
    """Measure what the promoters of each hub tell by themselves.

    What one promoter in n shows anyhow is worth log n for each who shows it; the first two are free.
    """
    linked = _mark_seats(world, _pair_by_identity(world, links), hub_of, promoter_of)
    personal_pairs = _pair_by_identity(world, links, links.is_personal)
    personal = _mark_seats(world, personal_pairs, hub_of, promoter_of)
    hasty_pairs = _pair_by_haste(world)
    hasty = _mark_seats(world, hasty_pairs, hub_of, promoter_of)
    shared = np.zeros(world.promoters, bool)
    for side in personal_pairs:
        shared[side] = True
    rarity = min(4.0, float(-np.log((shared.sum() + 1) / (world.promoters + 1))))
    identity = rarity * np.maximum(np.bincount(hub_of, personal, hubs) - 2, 0)
    depth = np.zeros(world.promoters, np.int64)
    child, parent = hasty_pairs
    if child.size:
        above = np.full(world.promoters, -1, np.int64)
        above[child] = parent
        at = np.arange(world.promoters)
        for _ in range(64):
            at = np.where(at >= 0, above[at], -1)
            if not (at >= 0).any():
                break
            depth += at >= 0
        # Who is entered above himself has no end above him, but no more people than belong together.
        ends = (np.ones(child.size, np.int8), (child, parent))
        label = connected_components(coo_matrix(ends, shape=(world.promoters, world.promoters)), directed=False)[1]
        depth = np.minimum(depth, np.bincount(label)[label] - 1)
    longest = np.zeros(hubs, np.int64)
    np.maximum.at(longest, hub_of, np.where(hasty, depth[promoter_of], 0))
    chance = -np.log(_HASTY)
    haste = np.maximum(longest * chance - np.log(max(2, world.promoters)), 0.0)
    return Seats(identity, haste, np.bincount(hub_of, personal & hasty, hubs), linked, hasty)


def _mark_seats(world: World, pairs: tuple[Column, Column], hub_of: Column, promoter_of: Column) -> Column:
    """Say of each seat whether a pair ties it to another seat of its hub."""
    by_promoter = sort_by(promoter_of, hub_of)
    common = np.zeros(hub_of.size, np.int64)
    kernels.count_common(to_starts(promoter_of, world.promoters), hub_of[by_promoter], *pairs, common, by_promoter)
    return common > 0


def measure_company(
    world: World, purchases: Purchases, hub_of: Column, promoter_of: Column, members: tuple[Column, Column], hubs: int
) -> Column:
    """Return, for each hub of several promoters, the nats of its members' meeting at more than one of them.

    `members` are parallel columns of hub and buyer. Each of a buyer's other promoters would be one of the hub's by
    their part in all dealings; what is found beyond that counts, less the cost of having chosen among all promoters.
    """
    buyer, promoter = purchases.customers
    nats = np.zeros(hubs)
    if not buyer.size:
        return nats
    customers = np.bincount(promoter, minlength=world.promoters)
    size = np.bincount(hub_of, minlength=hubs)
    part = np.bincount(hub_of, customers[promoter_of] / buyer.size, hubs)
    hub, who = members
    several = size[hub] > 1
    hub, who = hub[several], who[several]
    starts = to_starts(buyer, world.buyers)
    width = starts[who + 1] - starts[who]
    row = np.repeat(np.arange(hub.size), width)
    offset = np.arange(row.size) - np.repeat(np.cumsum(width) - width, width)
    theirs = promoter[starts[who[row]] + offset]
    seats = np.sort(hub_of * world.promoters + promoter_of)
    key = hub[row] * world.promoters + theirs
    place = np.minimum(np.searchsorted(seats, key), seats.size - 1)
    met = np.bincount(row[seats[place] == key], minlength=hub.size)
    expected = np.bincount(hub, np.minimum(width - 1, 3) * np.minimum(part[hub], 0.9), hubs)
    found = np.bincount(hub, np.minimum(met - 1, 3).clip(0), hubs)
    beyond = found > 4 * expected
    nats[beyond] = found[beyond] * np.log(found[beyond] / np.maximum(expected[beyond], 1e-3))
    nats[beyond] -= (found - expected)[beyond]
    return np.maximum(nats - size * np.log(max(2, world.promoters)), 0.0)
