"""Which promoters belong together: one payout, one device, the same customers, customers who share devices, circles."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tuike.risk.model import MISSING, Settings
from tuike.risk.sweep import kernels
from tuike.risk.sweep.trade import DAY, Column, Links, Purchases, to_starts
from tuike.risk.sweep.world import World

Hubs = tuple[Column, Column, int]
"""Parallel columns of hub and promoter, and how many hubs there are."""
_PER_BUYER_MAX = 40


def list_single_hubs(world: World) -> Hubs:
    """Return every promoter as a hub of its own."""
    each = np.arange(world.promoters, dtype=np.int64)
    return each, each, world.promoters


def add_clusters(world: World, purchases: Purchases, links: Links, circles: Column, settings: Settings) -> Hubs:
    """Return every promoter as a hub, then every cluster of promoters that belong together for one reason."""
    hub_of, promoter_of, count = list_single_hubs(world)
    hubs, promoters, seen = [hub_of], [promoter_of], set()
    for left, right in (
        _pair_by_identity(world, links),
        _pair_by_customers(world, purchases),
        _pair_by_linked_customers(world, purchases, links),
        _pair_by_haste(world),
        _pair_by_any(world, purchases, links),
    ):
        for cluster in _components(left, right, world.promoters):
            key = cluster.tobytes()
            if key not in seen and cluster.size <= 200:
                seen.add(key)
                hubs.append(np.full(cluster.size, count, np.int64))
                promoters.append(cluster.astype(np.int64))
                count += 1
    for circle in np.unique(circles[circles >= 0]).tolist():
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
    touched = np.unique(np.concatenate((left, right)))
    order = touched[np.argsort(labels[touched], kind="stable")].astype(np.int32)
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _to_promoters(world: World) -> tuple[Column, Column]:
    """Return the promoter accounts sorted by person, and where each person's begin."""
    person = world.person[: world.promoters]
    order = np.argsort(person, kind="stable")
    return order, to_starts(person[order], world.persons)


def _pair_by_identity(world: World, links: Links) -> tuple[Column, Column]:
    order, starts = _to_promoters(world)
    has = np.diff(starts) > 0
    use = links.is_strong & has[links.left] & has[links.right]
    return order[starts[links.left[use]]], order[starts[links.right[use]]]


def _list_customers(world: World, purchases: Purchases) -> tuple[Column, Column]:
    use = (purchases.promoter >= 0) & (purchases.buyer >= 0)
    pairs = np.unique(purchases.buyer[use].astype(np.int64) * world.promoters + purchases.promoter[use])
    return pairs // world.promoters, pairs % world.promoters


def _pair_by_customers(world: World, purchases: Purchases) -> tuple[Column, Column]:
    """Pair promoters whose customers are largely the same, far beyond chance."""
    if not world.promoters:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    buyer, promoter = _list_customers(world, purchases)
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
    buyer, promoter = _list_customers(world, purchases)
    customers = np.bincount(promoter, minlength=world.promoters)
    person = world.person[world.promoters :][buyer]
    order = np.lexsort((promoter, person))
    starts = to_starts(person[order], world.persons)
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


def _pair_by_haste(world: World) -> tuple[Column, Column]:
    """Pair inviter and invitee who joined remarkably soon one after the other."""
    invited = np.flatnonzero(world.inviters >= 0)
    joined, above = world.joined_at[invited], world.joined_at[world.inviters[invited]]
    known = (joined != MISSING) & (above != MISSING)
    invited, gap = invited[known], np.abs(joined - above)[known]
    if invited.size < 20:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    hasty = gap <= min(np.quantile(gap, 0.06), 7 * DAY)
    return invited[hasty], world.inviters[invited[hasty]].astype(np.int64)


def _pair_by_any(world: World, purchases: Purchases, links: Links) -> tuple[Column, Column]:
    parts = [_pair_by_identity(world, links), _pair_by_customers(world, purchases)]
    parts += [_pair_by_linked_customers(world, purchases, links), _pair_by_haste(world)]
    return np.concatenate([left for left, _ in parts]), np.concatenate([right for _, right in parts])


def find_circles(world: World, purchases: Purchases, links: Links, settings: Settings) -> tuple[Column, Column, Column]:
    """Find who buys in circles: persons who buy through one another.

    Returns, per purchase, how many short cycles it lies on (0, 1, 2 or 3 for more), per promoter the number of its
    circle or -1, and the cycles counted by length.
    """
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
    if not use.size:
        return on_circle, circles, np.zeros(5, np.int64)
    keys, edge = np.unique(source * size + target, return_inverse=True)
    starts, targets = to_starts(keys // size, size), (keys % size).astype(np.int64)
    on_edge = np.zeros(keys.size, np.int64)
    found = kernels.find_cycles(starts, targets, on_edge, settings.cycle_length_max)
    times = np.bincount(edge, minlength=keys.size)
    on_circle[use] = np.minimum(on_edge[edge], 3)
    # Circles proper: persons who buy again and again, strongly connected.
    again = times > 1
    ones = np.ones(int(again.sum()), np.int8)
    graph = coo_matrix((ones, (keys[again] // size, keys[again] % size)), shape=(size, size))
    labels = connected_components(graph, directed=True, connection="strong")[1]
    sizes = np.bincount(labels)
    label = labels[alias[world.person[: world.promoters]]]
    circles[:] = np.where((sizes[label] >= 2) & (sizes[label] <= 60), label, -1)
    within = again[edge] & (labels[source] == labels[target]) & (sizes[labels[source]] >= 3)
    within &= sizes[labels[source]] <= 60
    on_circle[use[within]] = np.where(on_edge[edge[within]] > 0, 5, 4)
    return on_circle, circles, found


def _join_aliases(world: World, links: Links) -> Column:
    """Return one number for persons who are likely the same: one promoter and one buyer alone on an identifier."""
    kinds = np.zeros(world.persons, np.int8)
    np.bitwise_or.at(kinds, world.person[: world.promoters], 1)
    np.bitwise_or.at(kinds, world.person[world.promoters :], 2)
    use = links.is_strong & (links.users == 2) & ((kinds[links.left] | kinds[links.right]) == 3)
    use &= (kinds[links.left] != 3) & (kinds[links.right] != 3)
    graph = coo_matrix(
        (np.ones(int(use.sum()), np.int8), (links.left[use], links.right[use])), shape=(world.persons, world.persons)
    )
    return connected_components(graph, directed=False)[1]


def measure_seats(world: World, links: Links, hub_of: Column, promoter_of: Column, hubs: int) -> Column:
    """Return, for each hub, the nats of its promoters by shared identifiers and by haste, and how many show both.

    What one promoter in n shows anyhow is worth log n for each who shows it; the first two are free.
    """
    nats = np.zeros((hubs, 3))
    seats_by_kind = []
    for kind, (left, right) in enumerate((_pair_by_identity(world, links), _pair_by_haste(world))):
        if not left.size:
            return nats
        marked = np.zeros(world.promoters, bool)
        marked[left] = marked[right] = True
        rarity = min(4.0, -np.log((marked.sum() + 1) / (world.promoters + 1)))
        by_promoter = np.argsort(promoter_of, kind="stable")
        first = to_starts(promoter_of[by_promoter], world.promoters)
        width = first[left + 1] - first[left]
        pair = np.repeat(np.arange(left.size), width)
        offset = np.arange(pair.size) - np.repeat(np.cumsum(width) - width, width)
        hub_left = hub_of[by_promoter[first[left[pair]] + offset]]
        keys = np.unique(hub_of * world.promoters + promoter_of)
        inside = np.isin(hub_left * world.promoters + right[pair], keys)
        seats = np.unique(np.concatenate((
            hub_left[inside] * world.promoters + left[pair[inside]],
            hub_left[inside] * world.promoters + right[pair[inside]],
        )))  # fmt: skip
        linked = np.bincount(seats // world.promoters, minlength=hubs)
        nats[:, kind] = rarity * np.maximum(linked - 2, 0)
        seats_by_kind.append(seats)
    both = np.intersect1d(seats_by_kind[0], seats_by_kind[1])
    nats[:, 2] = np.bincount(both // max(1, world.promoters), minlength=hubs)
    return nats
