"""Members of one hub who order the same goods at the same times through different promoters of it.

Friends, colleagues and fans order together through one promoter. That the customers of two promoters meet again and
again at goods where others hardly do, within minutes or weeks, needs somebody who tells both what to order.
"""

import numpy as np

from tuike.risk.sweep import kernels
from tuike.risk.sweep.hubs import spread_over_hubs
from tuike.risk.sweep.lockstep import USUAL_MAX, WINDOWS, Events, Surroundings, measure_gain
from tuike.risk.sweep.ordering import find_changes
from tuike.risk.sweep.trade import Column, Places, sort_by
from tuike.risk.sweep.world import World

_GOODS_MIN = 3
_PRIOR = 3.0
"""What is usual everywhere counts like so many pairs at the goods themselves."""


def measure_meetings(
    world: World, goods: Surroundings, members: tuple[Column, Column], promoters: tuple[Column, Column], hubs: int
) -> Column:
    """Return, for each hub, the nats of its members' meeting at goods through different promoters of it.

    `members` are parallel columns of hub and buyer, `promoters` of hub and promoter. The busiest goods of a hub never
    count, nor do meetings at fewer than three; windows and hubs were chosen among many, which is taken off.
    """
    nats, events = np.zeros(hubs), goods.events
    hub, event = _list_events(world, events, members, promoters, hubs)
    if not event.size:
        return nats
    target, at = events.target[event], events.at[event]
    starts = np.append(np.flatnonzero(find_changes(hub) | find_changes(target)), event.size)
    gap = np.full(event.size, np.iinfo(np.int64).max)
    kernels.measure_gaps_to_others(starts, at, events.via[event], gap)
    # Goods that all of a hub's members order through one promoter tell nothing of the others.
    met = np.repeat(np.minimum.reduceat(gap, starts[:-1]) <= WINDOWS[-1], np.diff(starts))
    hub, event, target, at, gap = hub[met], event[met], target[met], at[met], gap[met]
    if not event.size:
        return nats
    first = np.flatnonzero(find_changes(hub) | find_changes(target))
    starts = np.append(first, event.size)
    count, where, whose = np.diff(starts), target[first], hub[first]
    own_near = np.zeros((first.size, WINDOWS.size), np.int64)
    kernels.count_gaps(starts, at, WINDOWS, own_near)
    other_pairs = goods.pairs[where] - count * (count - 1) / 2
    for scale in np.flatnonzero(goods.everywhere <= USUAL_MAX).tolist():
        other_near = goods.near[where, scale] - own_near[:, scale]
        chance = (other_near + _PRIOR * goods.everywhere[scale]) / (other_pairs + _PRIOR)
        gain = measure_gain(gap <= WINDOWS[scale], events.part[event], first, count, chance)
        most = np.zeros(hubs)
        np.maximum.at(most, whose, gain)
        net = np.bincount(whose, gain, hubs) - most - np.log(WINDOWS.size) - np.log(max(2, hubs))
        is_enough = np.bincount(whose, gain > 0, hubs) >= _GOODS_MIN
        nats[is_enough] = np.maximum(nats, net)[is_enough]
    return nats


def _list_events(
    world: World, events: Events, members: tuple[Column, Column], promoters: tuple[Column, Column], hubs: int
) -> tuple[Column, Column]:
    """Return hub and event of what members ordered through the promoters of hubs of several, sorted by both.

    Of each of them the first event at the same goods: who orders the same again meets nobody by that.
    """
    hub, member = members
    hub_of, promoter_of = promoters
    is_several = np.bincount(hub_of, minlength=hubs) > 1
    several = is_several[hub]
    keys = np.sort(hub[several].astype(np.int64) * world.buyers + member[several])
    seats = np.flatnonzero(is_several[hub_of])
    served = np.flatnonzero(events.via >= 0)
    if not keys.size or not served.size:
        return served[:0], served[:0]
    row, seat = spread_over_hubs(world, events.via[served], hub_of[seats], promoter_of[seats])
    hub, event = hub_of[seats[seat]].astype(np.int64), served[row]
    key = hub * world.buyers + events.buyer[event]
    inside = keys[np.minimum(Places(keys).count_less(key), keys.size - 1)] == key
    hub, event = hub[inside], event[inside]
    order = sort_by(hub, events.target[event], events.buyer[event], event)
    hub, event = hub[order], event[order]
    is_first = find_changes(hub) | find_changes(events.target[event]) | find_changes(events.buyer[event])
    hub, event = hub[is_first], event[is_first]
    order = sort_by(hub, event)
    return hub[order], event[order]
