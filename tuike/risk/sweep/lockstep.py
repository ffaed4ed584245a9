"""Lockstep: buyers who meet again and again at the same goods or promoters, at the same times or where few others go.

A *target* is a promoter, or goods; an *event* is a buyer at a target at an instant. What two buyers' meeting is worth
depends on how usual so small a gap is at that target and everywhere, so that a live stream is worth nothing and no time
scale has to be chosen. The graph of such meetings is peeled; each dense part is then judged by a scan statistic whose
expectation comes from everybody else at the same targets, net of the cost of having searched. The busiest target never
counts: one event that many attend is a campaign.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tuike.risk.model import MISSING, Settings
from tuike.risk.sweep import kernels
from tuike.risk.sweep.ordering import find_changes
from tuike.risk.sweep.trade import (
    DAY,
    HOUR,
    SECOND,
    Column,
    Purchases,
    distinct,
    sort_by,
    to_starts,
)
from tuike.risk.sweep.world import World

WINDOWS = np.array(
    [60 * SECOND, 600 * SECOND, 1800 * SECOND, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY,
     14 * DAY, 28 * DAY], np.int64
)  # fmt: skip
USUAL_MAX = 0.2
"""A window in which so many of all pairs lie says nothing, and wider ones say less."""
_EVENTS_MIN = 20
_ROOM = 48
_NATS_MIN = 3.0
_NATS_OF_PAIR = 2.0
_NATS_OF_TIE = 5.5
"""Two buyers are tied by one very close meeting, or by several."""
_TIES_OF_BUYER = 2.0
_UNIT = 64
"""Weights are whole numbers of 1/64 nat."""
_ROUNDS = 8
_PART_MAX = 2000
_PART_SHARE_MAX = 0.1
"""A ring is no tenth of all buyers: what so many do is what people do."""
_PAIRS_FREE = 3_000_000
_NATS_OF_MEMBER = 8.0
_NATS_OF_BLOCK = 12.0
_NATS_OF_RARITY = 3.0
"""How much rarer or more usual goods add to or take from what meeting there is worth, at most."""
_NATS_OF_MEETING = 15.9
"""What one meeting is worth at most: `kernels.list_meetings` has room for so much."""
_NATS_OF_HINT = 0.5
"""From so many nats for each member a block counts beside other evidence at its promoters."""
_PURITY = 0.5
_MEETINGS_MIN = 3
_ONE_PROMOTER = 0.7
_SERVED_MIN = 0.15
"""Of so small a part of what the promoter served most gets the others get at least, to be served at all."""
_DENSITY = 0.1
"""Which part of their meetings members attend at least: who attend few of many are several crowds, not one ring."""


@dataclass(slots=True)
class Events:
    """Who was at which target when, sorted by target and instant.

    `via` is the promoter or -1; `part` is one divided by the targets that the buyer was at in the same instant: a
    basket of many goods is one meeting, not many.
    """

    target: Column
    buyer: Column
    at: Column
    via: Column
    part: Column
    starts: Column
    by_buyer: Column
    buyer_starts: Column
    trade: Column

    def list_of(self, buyers: Column) -> Column:
        """Return the events of some buyers, in order."""
        return np.sort(gather(self.by_buyer, self.buyer_starts, buyers))


def gather(items: Column, starts: Column, which: Column) -> Column:
    """Return the items of the groups in `which`, one group after the other."""
    return kernels.spread(starts, items, which)[1]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Events of known instants: how many pairs lie within each window at each target and altogether, and how many are.

    `everywhere` is the part of all pairs that lies within each window.
    """

    events: Events
    near: Column
    pairs: Column
    near_all: Column
    pairs_all: float
    everywhere: Column


@dataclass(slots=True)
class Block:
    """Buyers in lockstep, the promoters who live on it, and the nats for each member by time and by structure.

    `convicts`: it needs no other evidence; what is less sure, or nearly all through one promoter (`is_of_one`), does.
    """

    buyers: Column
    promoters: Column
    time_nats: float
    structure_nats: float
    convicts: bool
    is_of_one: bool


Graph = tuple[Column, Column, Column]
Verdict = tuple[Column, float, Column, bool]
"""Who is in step, the nats for each of them, the promoters they served, and whether it was but one."""
Judge = Callable[[Column], Verdict]
_NOBODY: Verdict = (np.empty(0, np.int64), 0.0, np.empty(0, np.int64), False)


def find_blocks(world: World, purchases: Purchases, settings: Settings) -> tuple[list[Block], Surroundings]:
    """Return the blocks of buyers in lockstep at promoters or goods, which may overlap; and what was done at goods."""
    at_promoters, _ = _find_blocks_at(world, _view_promoters(world, purchases), settings)
    at_goods, goods = _find_blocks_at(world, _view_goods(world, purchases), settings)
    return at_promoters + at_goods, goods


def _find_blocks_at(world: World, events: Events, settings: Settings) -> tuple[list[Block], Surroundings]:
    around = _measure_surroundings(_keep_timed(world, events))
    if not events.target.size:
        return [], around
    return _find_in_time(world, around, settings) + _find_in_structure(world, events, settings), around


def _view_promoters(world: World, purchases: Purchases) -> Events:
    credited = np.flatnonzero((purchases.promoter >= 0) & (purchases.buyer >= 0))
    promoter = purchases.promoter[credited]
    return _sort(world, promoter, purchases.buyer[credited], purchases.at[credited], promoter)


def _view_goods(world: World, purchases: Purchases) -> Events:
    lines = world.orders
    sold = (lines.sku >= 0) & (lines.buyer >= 0)
    at = purchases.at[purchases.of_line[sold]]
    return _sort(world, lines.sku[sold], lines.buyer[sold], at, lines.promoter[sold])


def _sort(world: World, target: Column, buyer: Column, at: Column, via: Column) -> Events:
    order = sort_by(target, at, buyer)
    target, buyer, at, via = target[order], buyer[order], at[order], via[order]
    # One order of several equal lines is one event.
    new = find_changes(target) | find_changes(at) | find_changes(buyer)
    if new.size:
        first = np.flatnonzero(new)
        low, high = np.minimum.reduceat(via, first), np.maximum.reduceat(via, first)
        via = np.where(low == high, low, -1)  # through two promoters at once is through neither
    target, buyer, at = target[new], buyer[new], at[new]
    number = np.cumsum(find_changes(target)) - 1
    by_buyer = kernels.sort_by(buyer, world.buyers, None)
    starts = to_starts(number, int(number.max()) + 1 if number.size else 0)
    trade = np.bincount(via[via >= 0], minlength=world.promoters)
    buyer_starts = to_starts(buyer, world.buyers)
    together = sort_by(buyer, at)
    new = find_changes(at[together]) | find_changes(buyer[together])
    basket = np.empty(at.size, np.int64)
    basket[together] = np.cumsum(new) - 1
    part = 1.0 / np.bincount(basket)[basket] if at.size else np.empty(0)
    return Events(number, buyer.astype(np.int64), at, via, part, starts, by_buyer, buyer_starts, trade)


def _keep_timed(world: World, events: Events) -> Events:
    known = events.at != MISSING
    if known.all():
        return events
    return _sort(world, events.target[known], events.buyer[known], events.at[known], events.via[known])


def _measure_surroundings(events: Events) -> Surroundings:
    near = np.zeros((events.starts.size - 1, WINDOWS.size), np.int64)
    kernels.count_gaps(events.starts, events.at, WINDOWS, near)
    size = np.diff(events.starts)
    pairs = size * (size - 1) / 2
    near_all, pairs_all = near.sum(axis=0), float(pairs.sum())
    return Surroundings(events, near, pairs, near_all, pairs_all, near_all / max(1.0, pairs_all))


def _find_in_time(world: World, surroundings: Surroundings, settings: Settings) -> list[Block]:
    events, everywhere = surroundings.events, surroundings.everywhere
    near, pairs, size = surroundings.near, surroundings.pairs, np.diff(events.starts)
    if events.at.size < _EVENTS_MIN:
        return []
    budget = min(settings.pairs_per_event_max // 2 * events.at.size, _PAIRS_FREE + 2 * events.at.size)
    fits = np.flatnonzero((surroundings.near_all <= budget) & (everywhere <= np.exp(-_NATS_MIN)))
    widest = int(fits[-1]) if fits.size else 0
    local = (near[:, : widest + 1] / np.maximum(pairs, 1)[:, None]) ** 2
    worth = -np.log(np.maximum(np.maximum(everywhere[: widest + 1], local), np.exp(-12.0)))
    # Where many go, chance brings more together: seen from an event, so many are there on average.
    usual = float((size.astype(np.float64) ** 2).sum() / max(1, size.sum()))
    worth += np.clip(np.log(usual / np.maximum(size, 1)), -_NATS_OF_RARITY, _NATS_OF_RARITY)[:, None]
    worth = np.minimum(worth, _NATS_OF_MEETING)
    meetings = kernels.list_meetings(
        events.starts, events.at, events.buyer, events.part, WINDOWS, worth, _ROOM, _NATS_OF_PAIR, _UNIT, world.buyers
    )
    meetings.sort()
    left, right, weight = kernels.add_up_meetings(meetings, world.buyers, int(_NATS_OF_TIE * _UNIT))
    graph = _keep_strong(left, right, weight, world.buyers)
    active = distinct(events.buyer).size

    def judge(members: Column) -> Verdict:
        return _judge_time(world, surroundings, members)

    return [
        Block(part, served, nats, 0.0, nats >= _NATS_OF_MEMBER and not is_of_one, is_of_one)
        for members, nats, promoters, is_of_one in _peel_apart(graph, world.buyers, active, judge, settings)
        for part, served in _split(events, members, promoters)
        if nats >= _NATS_OF_HINT
    ]


def _keep_strong(left: Column, right: Column, weight: Column, buyers: int) -> Graph:
    """Keep the pairs that are worth so much that chance leaves few to each buyer."""
    weight = np.minimum(weight, 20 * _UNIT)
    # With more data chance ties more pairs: the bar rises until chance alone leaves few to each buyer.
    at_least = np.cumsum(np.bincount(weight, minlength=20 * _UNIT + 1)[::-1])[::-1]
    bar = int(np.searchsorted(-at_least, -_TIES_OF_BUYER * buyers))
    enough = weight >= max(int(_NATS_OF_TIE * _UNIT), min(bar, 20 * _UNIT))
    return left[enough], right[enough], weight[enough]


def _peel_apart(graph: Graph, buyers: int, active: int, judge: Judge, settings: Settings) -> Iterator[Verdict]:
    """Peel the graph again and again, each time without the parts that were judged."""
    left, right, weight = graph
    if not weight.size:
        return
    # Four in step hold each other by three ties.
    least = int(2.5 * weight.min())
    most = min(_PART_MAX, max(20.0, _PART_SHARE_MAX * active))
    is_alive = np.zeros(buyers, bool)
    is_alive[left] = is_alive[right] = True
    alive = np.flatnonzero(is_alive)
    number = np.cumsum(is_alive, dtype=np.int32) - 1
    starts, targets, weights = kernels.list_neighbours(number[left], number[right], weight.astype(np.int16), alive.size)
    bound = np.add.reduceat(weights, starts[:-1], dtype=np.int64)
    for _ in range(_ROUNDS):
        is_dense = kernels.find_dense(starts, targets, weights, bound)
        core, best = kernels.peel(starts, targets, weights, ~is_dense)
        if best < least:
            return
        chosen = np.flatnonzero(core >= best)
        for part in _split_apart(chosen, starts, targets, core >= best):
            if settings.members_min < part.size <= most:
                verdict = judge(alive[part])
                if verdict[0].size > settings.members_min and verdict[1] > 0:
                    yield verdict
        bound[chosen] = -1


def _split_apart(chosen: Column, starts: Column, targets: Column, inside: Column) -> list[Column]:
    """Return the connected parts of the vertices chosen, who are those inside; each sorted."""
    source = np.repeat(np.arange(chosen.size), starts[chosen + 1] - starts[chosen])
    target = gather(targets, starts, chosen)
    tied = inside[target]
    source, target = source[tied], np.searchsorted(chosen, target[tied])
    graph = coo_matrix((np.ones(source.size, np.int8), (source, target)), shape=(chosen.size, chosen.size))
    labels = connected_components(graph, directed=False)[1]
    order = np.argsort(labels, kind="stable")
    return np.split(chosen[order], np.flatnonzero(np.diff(labels[order])) + 1)


def _judge_time(world: World, around: Surroundings, members: Column) -> Verdict:
    """Return who of the members is in step, and how much so."""
    events = around.events
    best: tuple[float, Column, Column, Column] = (0.0, members[:0], members[:0], members[:0])
    scale_of_best = 0
    for scale in range(WINDOWS.size):
        if around.everywhere[scale] > USUAL_MAX:
            break
        group = members
        for _ in range(3):
            own = events.list_of(group)
            if own.size < 6:
                break
            in_step, net, targets = _measure_steps(around, own, scale, world.buyers, group.size)
            stepping = own[in_step]
            meetings = distinct(events.buyer[stepping] * (events.starts.size) + events.target[stepping])
            who, times = np.unique(meetings // events.starts.size, return_counts=True)
            kept = who[times >= 2]
            if kept.size == group.size or kept.size < 3:
                break
            group = kept
        else:
            kept = group
        if own.size < 6 or kept.size < 3 or targets < 3:
            continue
        value = net / group.size
        if value > best[0]:
            best = (value, group, stepping, own)
            scale_of_best = scale
    value, group, stepping, own = best
    if value > 0:
        grown = _grow(events, own, stepping, int(scale_of_best), group)
        if grown.size > group.size:
            own = events.list_of(grown)
            in_step, net, _ = _measure_steps(around, own, scale_of_best, world.buyers, grown.size)
            if net >= value * group.size:
                value, group, stepping = net / grown.size, grown, own[in_step]
    if value <= 0 or _is_thin(events, stepping):
        return _NOBODY
    served = _find_served(world, events, stepping)
    if not served.size and _is_credited(events, stepping):
        return _NOBODY
    return group, value, served, _is_of_one(events, stepping)


def _is_credited(events: Events, stepping: Column) -> bool:
    """Say whether most of these events earn somebody commission: then a ring's promoters live on them."""
    return bool((events.via[stepping] >= 0).mean() > 0.5)


def _is_thin(events: Events, stepping: Column) -> bool:
    """Say whether these events are so few of what all their buyers at all their targets would be."""
    targets, buyers = distinct(events.target[stepping]), distinct(events.buyer[stepping])
    meetings = distinct(events.buyer[stepping] * events.starts.size + events.target[stepping])
    return meetings.size < _DENSITY * targets.size * buyers.size


def _grow(events: Events, own: Column, stepping: Column, scale: int, group: Column) -> Column:
    """Return the group with those who were about when it met, at no fewer than a fifth of its targets."""
    is_own = np.zeros(events.at.size, bool)
    is_own[own] = True
    counts = np.zeros(stepping.size, np.int64)
    window, nothing = WINDOWS[scale], np.empty(0, np.int64)
    size = kernels.list_around(events.starts, events.target, events.at, stepping, window, is_own, counts, nothing)
    if not 0 < size <= 64 * stepping.size:
        return group
    around = np.empty(size, np.int64)
    counts[:] = 0
    kernels.list_around(events.starts, events.target, events.at, stepping, window, is_own, counts, around)
    meetings = distinct(events.buyer[around] * events.starts.size + events.target[around])
    who, times = np.unique(meetings // events.starts.size, return_counts=True)
    mine = distinct(events.buyer[stepping] * events.starts.size + events.target[stepping])
    usual = np.median(np.unique(mine // events.starts.size, return_counts=True)[1])
    return np.union1d(group, who[times >= max(3.0, 0.4 * usual)])


def _measure_steps(
    surroundings: Surroundings, own: Column, scale: int, buyers: int, size: int
) -> tuple[Column, float, int]:
    """Return which of the members' events have another member's nearby, and the net nats of that for all."""
    events = surroundings.events
    at, target, buyer = events.at[own], events.target[own], events.buyer[own]
    window = WINDOWS[scale]
    close = (target[1:] == target[:-1]) & (at[1:] - at[:-1] <= window) & (buyer[1:] != buyer[:-1])
    in_step = np.zeros(own.size, bool)
    in_step[1:] |= close
    in_step[:-1] |= close
    targets, first = np.unique(target, return_index=True)
    starts = np.append(first, own.size).astype(np.int64)
    count = np.diff(starts)
    theirs = np.zeros((targets.size, 1), np.int64)
    kernels.count_gaps(starts, at, WINDOWS[scale : scale + 1], theirs)
    is_own = np.zeros(events.at.size, bool)
    is_own[own] = True
    around = np.zeros(own.size, np.int64)
    nothing = np.empty(0, np.int64)
    kernels.list_around(events.starts, events.target, events.at, own, window, is_own, around, nothing)
    # What everybody else does: pairs without any member.
    others = events.starts[targets + 1] - events.starts[targets] - count
    other_pairs = others * (others - 1) / 2
    near, pairs = surroundings.near[:, scale], surroundings.pairs
    other_near = near[targets] + theirs[:, 0] - np.add.reduceat(around, first)
    elsewhere = (surroundings.near_all[scale] - near[targets].sum() + other_near.sum() + 1.0) / (
        surroundings.pairs_all - pairs[targets].sum() + other_pairs.sum() + 1.0
    )
    chance = (other_near + 3.0 * elsewhere) / (other_pairs + 3.0)
    gain = measure_gain(in_step, events.part[own], first, count, chance)
    gaining = int((gain > 0).sum())
    if not gaining:
        return in_step, 0.0, 0
    net = gain.sum() - gain.max() - size * (1.0 + np.log(buyers / size)) - np.log(WINDOWS.size)
    return in_step, float(net), gaining


def measure_gain(in_step: Column, part: Column, first: Column, count: Column, chance: Column) -> Column:
    """Return the nats of so many events in step at each target.

    The events of a target begin at `first` and are `count`; two of them are near each other by `chance`.
    """
    expected = count * (1.0 - (1.0 - np.clip(chance, 0.0, 0.999)) ** np.maximum(count - 1, 0)) + 1e-6
    found = np.add.reduceat(in_step.astype(np.int64), first)
    gain: Column = np.where(found > expected, found * np.log(np.maximum(found, 1) / expected) - (found - expected), 0.0)
    # One meeting of k buyers is k - 1 coincidences.
    gain *= np.maximum(found - 1, 0) / np.maximum(found, 1)
    gain *= np.add.reduceat(in_step * part, first) / np.maximum(found, 1)
    return gain


def _is_of_one(events: Events, stepping: Column) -> bool:
    """Say whether nearly all of these events go through one promoter: then that promoter's hub is judged."""
    via = events.via[stepping]
    return bool(via.size and np.bincount(via[via >= 0], minlength=1).max() > _ONE_PROMOTER * via.size)


def _find_served(world: World, events: Events, stepping: Column) -> Column:
    """Return the promoters a good part of whose trade are these events, if not far fewer than another's.

    Who buys here and there to be like others feeds many small promoters, but lives for few.
    """
    via = events.via[stepping]
    served = np.bincount(via[via >= 0], minlength=world.promoters)
    return np.flatnonzero(
        (served >= 3) & (served >= 0.3 * events.trade) & (served >= _SERVED_MIN * served.max(initial=0))
    )


def _split(events: Events, members: Column, promoters: Column) -> Iterator[tuple[Column, Column]]:
    """Split a block into those who serve different promoters: rings that buy the same goods are several rings."""
    if promoters.size < 2:
        yield members, promoters
        return
    own = events.list_of(members)
    own = own[np.isin(events.via[own], promoters)]
    who, at = np.searchsorted(members, events.buyer[own]), np.searchsorted(promoters, events.via[own])
    count = members.size + promoters.size
    ties = coo_matrix((np.ones(own.size, np.int8), (who, at + members.size)), shape=(count, count))
    label = connected_components(ties, directed=False)[1]
    size = np.bincount(label[: members.size], minlength=int(label.max()) + 1)
    several = np.flatnonzero((size > 3) & (size >= 0.2 * members.size))
    if several.size < 2:
        yield members, promoters
        return
    for part in several.tolist():
        yield members[label[: members.size] == part], promoters[label[members.size :] == part]


def _find_in_structure(world: World, events: Events, settings: Settings) -> list[Block]:
    meetings = distinct(events.target * world.buyers + events.buyer)
    target, buyer = meetings // world.buyers, meetings % world.buyers
    starts = to_starts(target, events.starts.size - 1)
    users = np.diff(starts)
    active = max(2, distinct(buyer).size)
    budget = min(settings.pairs_per_event_max * target.size, _PAIRS_FREE + 2 * target.size)
    sizes = np.arange(257)
    rare = np.flatnonzero((users > 2) & (users <= 256))
    work = np.cumsum(np.bincount(users[rare], minlength=257) * (sizes * (sizes - 1) // 2))
    rare = rare[users[rare] <= max(3, int(np.searchsorted(work, budget, side="right")) - 1)]
    by_buyer = kernels.sort_by(buyer, world.buyers, None)
    buyer_starts = to_starts(buyer, world.buyers)
    units = np.zeros(users.size, np.int64)
    units[rare] = np.round(np.log(active / users[rare]) * _UNIT)
    left, right, weight = _list_regulars(target, buyer, rare, units, world.buyers)
    graph = _keep_strong(left, right, weight, world.buyers)
    total = float(target.size)

    def judge(members: Column) -> Verdict:
        own = gather(by_buyer, buyer_starts, members)
        targets, inside = np.unique(target[own], return_counts=True)
        part = own.size / total
        outside = users[targets] - inside
        expected = np.maximum(outside * part / max(1e-9, 1.0 - part), 0.05)
        good = (inside >= 3) & (inside > 4 * expected) & (inside >= _PURITY * users[targets])
        if good.sum() < 3:
            return _NOBODY
        gain = inside[good] * np.log(inside[good] / expected[good]) - (inside[good] - expected[good])
        gain -= np.log(max(2, users.size))
        in_block = np.isin(target[own], targets[good])
        who, times = np.unique(buyer[own[in_block]], return_counts=True)
        kept = who[times >= 3]
        net = gain.sum() - gain.max() - members.size * (1.0 + np.log(active / members.size))
        if kept.size < 0.5 * members.size:
            return _NOBODY
        theirs = events.list_of(kept)
        stepping = theirs[np.isin(events.target[theirs], targets[good])]
        served = _find_served(world, events, stepping)
        if not served.size and _is_credited(events, stepping):
            return _NOBODY
        return kept, net / members.size, served, _is_of_one(events, stepping)

    return [
        Block(part, served, 0.0, nats, nats >= _NATS_OF_BLOCK and not is_of_one, is_of_one)
        for members, nats, promoters, is_of_one in _peel_apart(graph, world.buyers, active, judge, settings)
        for part, served in _split(events, members, promoters)
        if nats >= _NATS_OF_HINT
    ]


def _list_regulars(target: Column, buyer: Column, rare: Column, units: Column, buyers: int) -> Graph:
    """Return the pairs of buyers who meet at three rare targets or more, and the units of those added up."""
    is_rare = np.zeros(units.size, bool)
    is_rare[rare] = True
    use = is_rare[target]
    # Who was at fewer meets nobody as often.
    use &= (np.bincount(buyer[use], minlength=buyers) >= _MEETINGS_MIN)[buyer]
    target, buyer = target[use], buyer[use]
    by_buyer = kernels.sort_by(buyer, buyers, None)
    own_starts = to_starts(buyer, buyers)
    starts = to_starts(target, units.size)
    found: Graph = kernels.meet_often(starts, buyer, own_starts, target[by_buyer], units, _MEETINGS_MIN)
    return found


def get_bars() -> dict[str, object]:
    """Return the bars and budgets of lockstep, for the report."""
    return {
        "windows_seconds": (WINDOWS // SECOND).tolist(),
        "nats_of_member_in_time": _NATS_OF_MEMBER,
        "nats_of_member_in_structure": _NATS_OF_BLOCK,
        "purity": _PURITY,
        "density_min": _DENSITY,
        "part_of_one_promoter_max": _ONE_PROMOTER,
        "part_of_all_buyers_max": _PART_SHARE_MAX,
        "neighbours_max": _ROOM,
    }


def measure_steps(
    blocks: list[Block], dealings: tuple[Column, Column], promoters: tuple[Column, Column], buyers: int, hubs: int
) -> tuple[Column, Column]:
    """Return, for each hub, the nats of its members in step: of several promoters, and of one.

    `dealings` are parallel columns of hub and member, `promoters` of hub and promoter.
    """
    hub, member = dealings
    by_member = kernels.sort_by(member, buyers, None)
    starts = to_starts(member, buyers)
    hub_of, promoter_of = promoters
    found = np.zeros((2, hubs))
    for block in blocks:
        near = np.zeros(hubs, bool)
        near[hub_of[np.isin(promoter_of, block.promoters)]] = True
        theirs = hub[gather(by_member, starts, block.buyers)]
        count = np.bincount(theirs[near[theirs]], minlength=hubs)
        row = found[int(block.is_of_one)]
        np.maximum(row, count * (block.time_nats + block.structure_nats), out=row)
    return found[0], found[1]
