"""What touches tell by themselves: links opened as no buyer opens them, and links passed on as no friends pass them on.

Both are judged by what touches are like everywhere else in the same data.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tuike.risk.model import MISSING
from tuike.risk.sweep.trade import SECOND, Column, Links, Purchases, distinct, sort_by, to_starts
from tuike.risk.sweep.world import World

_LAGS = np.array([2, 5, 10, 20, 30, 60, 120], np.int64) * SECOND
_QUICK_NATS = 12.0
_QUICK_PART = 0.5
_QUICK_MIN = 8
_RETURNING_MAX = 0.12
_UNOPENED_MAX = 0.3
"""Where so many orders come without an opened link, one more says nothing."""
_PACED_MIN = 60
_PACED_ORDERS = 3
_PACED_WIDTH = 1.6
"""How many times as long as the pause at a tenth of all is that at nine tenths, at most; by chance it is 20 times."""
_PASSED_MIN = 3
_PAIR_NATS = 6.0
_STEADY = 0.35
"""How much narrower than everybody's the pauses of a relay are, as a part of the spread of their logarithms."""


@dataclass(slots=True)
class Suspects:
    """Promoters and the buyers whose touches tell on them; `nats` are for each accused account."""

    pattern: str
    promoters: Column
    buyers: Column
    nats: float
    has_victims: bool


def find_forced(world: World, purchases: Purchases, links: Links) -> tuple[list[Suspects], Column]:
    """Find promoters whose links are opened seconds before orders by buyers who never come back; return all such too.

    One such promoter may be the till of a shop. Two or more that belong together, by an identifier or by doing it at
    the same time, are no chance: nobody opens two promoters' links while paying.
    """
    known = np.flatnonzero((purchases.lag != MISSING) & (purchases.promoter >= 0) & (purchases.buyer >= 0))
    credited = np.bincount(purchases.promoter[purchases.promoter >= 0], minlength=world.promoters)
    if known.size < 50:
        return [], known[:0]
    promoter, lag = purchases.promoter[known].astype(np.int64), purchases.lag[known]
    best, scale_of = np.zeros(world.promoters), np.zeros(world.promoters, np.int64)
    for scale, limit in enumerate(_LAGS.tolist()):
        nats, _ = _weigh_parts(np.bincount(promoter[lag <= limit], minlength=world.promoters), credited)
        nats = np.maximum(nats - np.log(_LAGS.size), 0.0)
        better = nats > best
        best[better], scale_of[better] = nats[better], scale
    candidates = np.flatnonzero(best >= _QUICK_NATS)
    is_quick = lag <= _LAGS[scale_of[promoter]]
    rows = known[is_quick & np.isin(promoter, candidates)]
    forced = np.array([n for n in candidates.tolist() if _never_return(purchases, rows, n)], np.int64)
    return _group("forced_touches", world, purchases, links, rows, forced, best), forced


def find_unopened(world: World, purchases: Purchases, links: Links) -> list[Suspects]:
    """Find promoters credited with orders of customers who opened no link, where nearly every other order has one.

    A till credits its clerks so as well: only promoters who share a purse or a telephone are no chance.
    """
    credited = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0) & (purchases.at != MISSING))
    if credited.size < 50 or not world.promoters:
        return []
    promoter = purchases.promoter[credited].astype(np.int64)
    is_unopened = purchases.lag[credited] == MISSING
    orders = np.bincount(promoter, minlength=world.promoters)
    nats, usual = _weigh_parts(np.bincount(promoter[is_unopened], minlength=world.promoters), orders)
    if usual > _UNOPENED_MAX:
        return []
    candidates = np.flatnonzero(nats >= _QUICK_NATS)
    rows = credited[is_unopened & np.isin(promoter, candidates)]
    alone = np.array([n for n in candidates.tolist() if _never_return(purchases, rows, n)], np.int64)
    personal = links.choose(links.is_personal)
    return _group("unopened_links", world, purchases, personal, rows, alone, nats, by_time=False)


def find_paced(world: World, purchases: Purchases, links: Links) -> list[Suspects]:
    """Find promoters whose links are opened by ever new people at the pace of a machine, day and night.

    People come by chance: their pauses differ a hundredfold. One such promoter may be somebody's experiment; two or
    more that belong together are not.
    """
    touches = world.touches
    credited = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0) & (purchases.at != MISSING))
    orders = np.bincount(purchases.promoter[credited].astype(np.int64), minlength=world.promoters)
    opened = np.flatnonzero((touches.parent < 0) & (touches.promoter >= 0) & (touches.at != MISSING))
    count = np.bincount(touches.promoter[opened], minlength=world.promoters)
    busy = (count >= _PACED_MIN) & (orders >= _PACED_ORDERS)
    starts, pause = _list_pauses(world, opened[busy[touches.promoter[opened]]])
    several = np.flatnonzero(np.diff(starts))
    number = np.diff(starts)[several]
    low, high = pause[starts[several] + number // 10], pause[starts[several] + number * 9 // 10]
    even = np.flatnonzero(high <= _PACED_WIDTH * low)
    if not even.size:
        return []
    others = np.sort(_list_pauses(world, opened[~np.isin(touches.promoter[opened], several[even])])[1])
    inside = np.searchsorted(others, high[even], side="right") - np.searchsorted(others, low[even], side="left")
    usual = (inside + 1.0) / (others.size + 1.25)
    nats = np.zeros(world.promoters)
    nats[several[even]] = 0.8 * number[even] * np.log(0.8 / np.minimum(usual, 0.8)) - np.log(max(2, world.promoters))
    candidates = np.flatnonzero(nats >= _QUICK_NATS)
    people = [distinct(touches.buyer[opened[touches.promoter[opened] == one]]).size for one in candidates.tolist()]
    candidates = candidates[np.array(people, np.int64) >= 0.5 * count[candidates]]
    rows = credited[np.isin(purchases.promoter[credited], candidates)]
    return _group("paced_touches", world, purchases, links, rows, candidates, nats)


def _list_pauses(world: World, opened: Column) -> tuple[Column, Column]:
    """Return the pauses between one promoter's touches and where each promoter's begin, the shortest first."""
    opened = opened[sort_by(world.touches.promoter[opened], world.touches.at[opened])]
    promoter, at = world.touches.promoter[opened].astype(np.int64), world.touches.at[opened]
    same = promoter[1:] == promoter[:-1]
    promoter, pause = promoter[1:][same], np.maximum(at[1:] - at[:-1], SECOND)[same]
    return to_starts(promoter, world.promoters), pause[sort_by(promoter, pause)]


def _weigh_parts(found: Column, orders: Column) -> tuple[Column, float]:
    """Return the nats of so many of each promoter's orders being of a kind, if half of them are, and what is usual."""
    part = found / np.maximum(orders, 1)
    # What is ordinary is what promoters do who are not so themselves.
    plain = part < _QUICK_PART
    usual = float((found[plain].sum() + 1.0) / (orders[plain].sum() + 2.0))
    p = np.clip(part, 1e-9, 1 - 1e-9)
    nats = found * np.log(p / usual) + (orders - found) * np.log((1 - p) / (1 - usual)) - np.log(max(2, found.size))
    return np.where((found >= _QUICK_MIN) & ~plain & (part > usual), nats, 0.0), usual


def _never_return(purchases: Purchases, rows: Column, promoter: int) -> bool:
    buyers = purchases.buyer[rows[purchases.promoter[rows] == promoter]]
    return bool(buyers.size - distinct(buyers).size <= _RETURNING_MAX * buyers.size)


def _group(
    pattern: str,
    world: World,
    purchases: Purchases,
    links: Links,
    rows: Column,
    promoters: Column,
    nats: Column,
    *,
    by_time: bool = True,
) -> list[Suspects]:
    """Put the promoters together who share an identifier or, `by_time`, whose orders span the same time."""
    count = promoters.size
    if count < 2:
        return []
    persons = world.person[promoters]
    place = np.full(world.persons, -1, np.int64)
    place[persons] = np.arange(count)
    tied = (place[links.left] >= 0) & (place[links.right] >= 0)
    left, right = place[links.left[tied]], place[links.right[tied]]
    graph = coo_matrix((np.ones(left.size, np.int8), (left, right)), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    begin, end = np.zeros(count), np.zeros(count)
    for number, promoter in enumerate(promoters.tolist()):
        at = purchases.at[rows[purchases.promoter[rows] == promoter]]
        begin[number], end[number] = at.min(), at.max()
    # Who shares no identifier belongs to those who do it at the same time.
    size = np.bincount(label)
    alone = np.flatnonzero(size[label] == 1) if by_time else promoters[:0]
    fitting = label.copy()
    for number in alone.tolist():
        common = np.minimum(end, end[number]) - np.maximum(begin, begin[number])
        whole = np.maximum(end, end[number]) - np.minimum(begin, begin[number])
        part = common / np.maximum(whole, 1)
        part[number] = -1
        nearest = int(np.argmax(part))
        if part[nearest] >= 0.5 and (part == part[nearest]).sum() == 1:
            fitting[number] = label[nearest]
    pairs = coo_matrix((np.ones(count, np.int8), (label, fitting)), shape=(count, count))
    label = connected_components(pairs, directed=False)[1][label]
    found = []
    for group in distinct(label).tolist():
        members = promoters[label == group]
        if members.size > 1:
            theirs = rows[np.isin(purchases.promoter[rows], members)]
            found.append(
                Suspects(pattern, members, distinct(purchases.buyer[theirs]), float(nats[members].mean()), True)
            )
    return found


def find_relays(world: World, purchases: Purchases) -> list[Suspects]:
    """Find buyers who pass links on to one another again and again, at pauses too even for people."""
    touches = world.touches
    child = np.flatnonzero(touches.parent >= 0)
    child = child[(touches.buyer[child] >= 0) & (touches.buyer[touches.parent[child]] >= 0)]
    child = child[(touches.at[child] != MISSING) & (touches.at[touches.parent[child]] != MISSING)]
    child = child[touches.promoter[child] == touches.promoter[touches.parent[child]]]
    if child.size < 50 or not world.promoters:
        return []
    parent = touches.parent[child]
    giver, taker = touches.buyer[parent].astype(np.int64), touches.buyer[child].astype(np.int64)
    pause = np.log(np.maximum(touches.at[child] - touches.at[parent], SECOND).astype(np.float64))
    apart = giver != taker
    child, giver, taker, pause = child[apart], giver[apart], taker[apart], pause[apart]
    promoter = touches.promoter[child].astype(np.int64)
    key = (promoter * world.buyers + giver) * world.buyers + taker
    pairs, inverse, times = np.unique(key, return_inverse=True, return_counts=True)
    often = np.flatnonzero(times >= _PASSED_MIN)
    if often.size < 3:
        return []
    seat, to = np.unique(promoter * world.buyers + taker, return_inverse=True)
    taken = np.bincount(to, minlength=seat.size)
    place, of = np.unique(promoter * world.buyers + giver, return_inverse=True)
    given = np.bincount(of, minlength=place.size)
    links_of = np.bincount(promoter, minlength=world.promoters)
    first = np.zeros(pairs.size, np.int64)
    first[inverse] = np.arange(inverse.size)
    row = first[often]
    expected = taken[to[row]] * given[of[row]] / np.maximum(links_of[promoter[row]], 1)
    # Nobody's share of a promoter is known better than by some more rows than there are.
    expected = np.minimum(expected, taken[to[row]] * 0.5) + 1e-3
    nats = times[often] * np.log(times[often] / expected) - (times[often] - expected)
    nats = np.where(times[often] > expected, nats, 0.0)
    strong = nats >= _PAIR_NATS
    often, nats = often[strong], nats[strong]
    left, right = pairs[often] // world.buyers % world.buyers, pairs[often] % world.buyers
    graph = coo_matrix((np.ones(left.size, np.int8), (left, right)), shape=(world.buyers, world.buyers))
    label = connected_components(graph, directed=False)[1]
    spread = max(float(pause.std()), 1e-6)
    bought = np.bincount(purchases.promoter[purchases.promoter >= 0].astype(np.int64), minlength=world.promoters)
    found = []
    for group in distinct(label[left]).tolist():
        edges = label[left] == group
        members = np.flatnonzero(label == group)
        if members.size < 4:
            continue
        rows = np.flatnonzero(np.isin(inverse, often[edges]))
        if _measure_spread(pause[rows]) > _STEADY * spread:
            continue
        net = nats[edges].sum() - members.size * np.log(max(2, world.buyers))
        theirs, of_them = np.unique(promoter[rows], return_counts=True)
        mine = (purchases.promoter >= 0) & (purchases.buyer >= 0)
        mine[mine] = np.isin(purchases.buyer[mine], members)
        sold = np.bincount(purchases.promoter[mine].astype(np.int64), minlength=world.promoters)
        theirs = theirs[(sold[theirs] >= 3) & (sold[theirs] >= 0.3 * bought[theirs]) & (of_them >= 3)]
        if net <= 0 or not theirs.size:
            continue
        found.append(Suspects("relayed_links", theirs, members, float(net / (members.size + theirs.size)), False))
    return found


def _measure_spread(values: Column) -> float:
    """Return a spread that a few outliers do not widen: half the distance of the 16th and the 84th percentile."""
    low, high = np.quantile(values, (0.16, 0.84))
    return float(high - low) / 2
