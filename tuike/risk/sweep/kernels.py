"""Compiled graph kernels: pairs, bounded cycles, weighted cores with their densest part, hub mixtures.

Weights are whole numbers, so that sums are exact and the order of rows cannot matter; ties are taken together, so that
no identifier decides anything.
"""

import numpy as np

from tuike.risk.sweep.jit import compiled

_AT_ONCE = 32
_STRETCH = 4096
_FEW = 8
_COUNTED_MAX = 1 << 16
"""So many counters stay near while they are looked up in any order."""


@compiled
def expand_pairs(starts, members, tokens, left, right, source):
    """Write every pair of members of each of `tokens`; the arrays have room for all. Members of a token are sorted."""
    at = 0
    for number in range(tokens.size):
        token = tokens[number]
        for i in range(starts[token], starts[token + 1]):
            for j in range(i + 1, starts[token + 1]):
                left[at], right[at], source[at] = members[i], members[j], token
                at += 1
    return at


@compiled
def count_common(starts, items, left, right, linked, index):
    """For each pair of accounts and each item (hub) both have: add one to `linked` at both of their entries.

    `items` are sorted within each account; `index` maps the position in `items` to the entry counted.
    """
    for pair in range(left.size):
        i, i_end = starts[left[pair]], starts[left[pair] + 1]
        j, j_end = starts[right[pair]], starts[right[pair] + 1]
        while i < i_end and j < j_end:
            if items[i] < items[j]:
                i += 1
            elif items[i] > items[j]:
                j += 1
            else:
                linked[index[i]] += 1
                linked[index[j]] += 1
                i += 1
                j += 1


@compiled
def count_near(group_starts, at, owner, window, room, out):
    """For each event count the events of other owners in its group within `window`; at most `room` are looked at.

    Events are sorted by group and instant.
    """
    for group in range(group_starts.size - 1):
        first, end = group_starts[group], group_starts[group + 1]
        for i in range(first, end):
            seen = 0
            for j in range(i + 1, end):
                if at[j] - at[i] > window or seen >= room:
                    break
                seen += 1
                if owner[j] != owner[i]:
                    out[i] += 1
                    out[j] += 1


@compiled
def list_meetings(starts, at, buyer, part, windows, worth, room, least, unit, buyers):
    """Return a number for each meeting of two buyers: (lower buyer * buyers + higher buyer) * 1024 + whole units.

    Two events of one group meet if they lie within the windows that `worth[group, window]` has, and at most `room`
    places apart. A meeting counts from `least` on; its worth is that of its window times the larger of the parts that
    both events are of their baskets, below 1024 units.
    """
    space = 1024
    listed = np.empty(space, np.int64)
    found, widest = 0, worth.shape[1] - 1
    for group in range(starts.size - 1):
        end = starts[group + 1]
        for i in range(starts[group], end):
            scale = 0
            for j in range(i + 1, min(end, i + room + 1)):
                gap = at[j] - at[i]
                while scale <= widest and windows[scale] < gap:
                    scale += 1
                if scale > widest:
                    break
                nats = worth[group, scale]
                if buyer[j] != buyer[i] and nats >= least:
                    if found == space:
                        listed = np.concatenate((listed, np.empty(space, np.int64)))
                        space *= 2
                    low, high = min(buyer[i], buyer[j]), max(buyer[i], buyer[j])
                    listed[found] = (low * buyers + high) * 1024 + np.int64(
                        np.rint(nats * max(part[i], part[j]) * unit)
                    )
                    found += 1
    return listed[:found]


@compiled
def add_up_meetings(listed, buyers, enough):
    """Return the pairs of buyers whose meetings, sorted, come to `enough` units or more together, and their units."""
    left, right = np.empty(listed.size, np.int32), np.empty(listed.size, np.int32)
    weight = np.empty(listed.size, np.int64)
    found, at = 0, 0
    while at < listed.size:
        pair, units = listed[at] >> 10, np.int64(0)
        while at < listed.size and listed[at] >> 10 == pair:
            units += listed[at] & 1023
            at += 1
        if units >= enough:
            left[found], right[found], weight[found] = pair // buyers, pair % buyers, units
            found += 1
    return left[:found], right[:found], weight[:found]


@compiled
def list_around(group_starts, group_of, at, chosen, window, is_chosen, counts, neighbours):
    """Count, for each of the `chosen` events, the events of its group within `window`; list those not chosen.

    `neighbours` may be empty: then only counting is done. Returns how many neighbours there are.
    """
    listed = 0
    for number in range(chosen.size):
        i = chosen[number]
        for step in (-1, 1):
            j = i + step
            while group_starts[group_of[i]] <= j < group_starts[group_of[i] + 1]:
                gap = at[j] - at[i]
                if gap > window or -gap > window:
                    break
                counts[number] += 1
                if not is_chosen[j]:
                    if neighbours.size:
                        neighbours[listed] = j
                    listed += 1
                j += step
    return listed


@compiled
def count_gaps(group_starts, at, windows, out):
    """Count, for each group and window, the pairs of its events that lie within it (all of them, by two pointers)."""
    for group in range(group_starts.size - 1):
        first, end = group_starts[group], group_starts[group + 1]
        for number in range(windows.size):
            low = first
            for i in range(first, end):
                while at[i] - at[low] > windows[number]:
                    low += 1
                out[group, number] += i - low


@compiled
def measure_gaps_to_others(group_starts, at, kind, out):
    """Measure, for each event, how far the nearest of another kind in its group is; groups are sorted by instant.

    Events of one instant may stand in any order. What has none keeps what is in `out`.
    """
    for group in range(group_starts.size - 1):
        first, end = group_starts[group], group_starts[group + 1]
        other = -1
        for i in range(first, end):
            if i > first and kind[i] != kind[i - 1]:
                other = i - 1
            if other >= 0:
                out[i] = at[i] - at[other]
        other = -1
        for i in range(end - 1, first - 1, -1):
            if i < end - 1 and kind[i] != kind[i + 1]:
                other = i + 1
            if other >= 0:
                out[i] = min(out[i], at[other] - at[i])


@compiled
def spread(starts, items, which):
    """Return, for each of the groups in `which`, its items, and beside each item the place in `which`."""
    # Looked up first, all at once: a loop whose end must be waited for keeps what comes behind it waiting too.
    begins, ends = np.empty(which.size, np.int64), np.empty(which.size, np.int64)
    count = 0
    for i in range(which.size):
        begins[i], ends[i] = starts[which[i]], starts[which[i] + 1]
        count += ends[i] - begins[i]
    row, found = np.empty(count, np.int64), np.empty(count, items.dtype)
    at = 0
    for i in range(which.size):
        for e in range(begins[i], ends[i]):
            row[at], found[at] = i, items[e]
            at += 1
    return row, found


@compiled
def count_equal(starts, items, distinct):
    """Return, for each of the items, how many in its group are the same; they are numbers below `distinct`."""
    seen, equal = np.zeros(distinct, np.int32), np.empty(items.size, np.int32)
    for group in range(starts.size - 1):
        for i in range(starts[group], starts[group + 1]):
            seen[items[i]] += 1
        for i in range(starts[group], starts[group + 1]):
            equal[i] = seen[items[i]]
        for i in range(starts[group], starts[group + 1]):
            seen[items[i]] = 0
    return equal


@compiled
def measure_lags(order, pairs, instants, touches, lags):
    """Tell, for each row from `touches` on, how long before it the last of the earlier rows with its pair was.

    `order` sorts by pair and instant, at the same instant the rows before `touches` first.
    """
    newest = np.int64(-1)
    for k in range(order.size):
        row = order[k]
        if row < touches:
            newest = row
        elif newest >= 0 and pairs[newest] == pairs[row]:
            lags[row - touches] = instants[row] - instants[newest]


@compiled
def add_known(group, values, unknown, sums):
    """Add to each group the values of its rows that are known."""
    for i in range(group.size):
        if values[i] != unknown:
            sums[group[i]] += values[i]


@compiled
def take_greatest(group, values, greatest):
    """Raise what each group has to the greatest value of its rows."""
    for i in range(group.size):
        greatest[group[i]] = max(greatest[group[i]], values[i])


@compiled
def take_least(group, values, least):
    """Lower what each group has to the least value of its rows."""
    for i in range(group.size):
        least[group[i]] = min(least[group[i]], values[i])


@compiled
def measure_orders(order, dealing, buyer, at, paid, received, refunded, lag, registered, unknown, settled_for, count):
    """Return the least age of the account, lag, delay of payment and of receipt over the orders of each dealing.

    Instants are those of all orders, `order` tells which of them belong to a dealing, `registered` is when a buyer was.
    What no order tells is `unknown`. Returned last is how many orders were refunded `settled_for` or more after they
    were settled.
    """
    most = np.iinfo(np.int64).max
    least = np.full((4, count), most)
    late = np.zeros(count)
    for i in range(order.size):
        row, to = order[i], dealing[i]
        if at[row] != unknown and registered[buyer[i]] != unknown:
            least[0, to] = min(least[0, to], at[row] - registered[buyer[i]])
        if lag[row] != unknown:
            least[1, to] = min(least[1, to], lag[row])
        if at[row] != unknown and paid[row] != unknown:
            least[2, to] = min(least[2, to], paid[row] - at[row])
        if received[row] != unknown and paid[row] != unknown:
            least[3, to] = min(least[3, to], received[row] - paid[row])
        settled = received[row] if received[row] != unknown else max(at[row], paid[row])
        if refunded[row] != unknown and settled != unknown and refunded[row] - settled >= settled_for:
            late[to] += 1.0
    for which in range(4):
        for to in range(count):
            if least[which, to] == most:
                least[which, to] = unknown
    return least[0], least[1], least[2], least[3], late


@compiled
def find_cheapest(of_line, amounts, skus, count):
    """Return the goods of the cheapest line of each order, and a code of all of them where unequal ones are as cheap.

    The code (0 if there is but one) is equal for equal goods, whatever their numbers and the order of lines.
    """
    price, chosen = np.zeros(count, np.int64), np.full(count, -2, np.int64)
    code, unequal = np.zeros(count, np.uint64), np.zeros(count, np.bool_)
    for i in range(of_line.size):
        order, sku = of_line[i], skus[i]
        # SplitMix64 (Steele et al., OOPSLA 2014): sums of scattered numbers hardly ever agree by chance.
        mixed = (np.uint64(sku) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        if chosen[order] == -2 or amounts[i] < price[order]:
            price[order], chosen[order], code[order], unequal[order] = amounts[i], sku, mixed, False
        elif amounts[i] == price[order]:
            code[order] += mixed
            unequal[order] |= sku != chosen[order]
            chosen[order] = min(chosen[order], sku)
    return chosen, np.where(unequal, code, np.uint64(0))


@compiled
def count_close(scaled, reach):
    """Return how many of the sorted numbers lie within `reach` of each, itself too."""
    near = np.empty(scaled.size, np.int64)
    low, high = 0, 0
    for i in range(scaled.size):
        while scaled[low] < scaled[i] - reach:
            low += 1
        while high < scaled.size and scaled[high] <= scaled[i] + reach:
            high += 1
        near[i] = high - low
    return near


@compiled
def find_cycles(starts, targets, on_edge, length_max):
    """Count simple directed cycles of 2 to `length_max` (at most 4) vertices, exactly, and the cycles on each edge.

    Each cycle is counted at its vertex of highest degree: paths of two edges that lead away from it and back to it are
    joined in the middle, so nothing longer is ever walked. Vertices that were dealt with are left behind.
    Returns the counts by length.
    """
    found = np.zeros(5, np.int64)
    vertices, edges = starts.size - 1, targets.size
    degree = np.zeros(vertices, np.int64)
    for v in range(vertices):
        degree[v] -= starts[v + 1] - starts[v]
    for e in range(edges):
        degree[targets[e]] -= 1
    order = np.argsort(degree, kind="mergesort")
    rank = np.empty(vertices, np.int32)
    for i in range(vertices):
        rank[order[i]] = i
    source = np.empty(edges, np.int32)
    target = np.empty(edges, np.int32)
    for v in range(vertices):
        for e in range(starts[v], starts[v + 1]):
            source[e], target[e] = rank[v], rank[targets[e]]
    by_source, by_target = sort_by(source, vertices, None), sort_by(target, vertices, None)
    out_edge, in_edge = sort_by(source, vertices, by_target), sort_by(target, vertices, by_source)
    out_end, in_end = np.zeros(vertices + 1, np.int64), np.zeros(vertices + 1, np.int64)
    for e in range(edges):
        out_end[source[e] + 1] += 1
        in_end[target[e] + 1] += 1
    for v in range(vertices):
        out_end[v + 1] += out_end[v]
        in_end[v + 1] += in_end[v]
    out_to, in_from = target[out_edge], source[in_edge]
    out_head, in_head = out_end[:-1].copy(), in_end[:-1].copy()
    to_a = np.full(vertices, -1, np.int32)
    from_a = np.zeros(vertices, np.bool_)
    ways_back, ways_out = np.zeros(vertices, np.int32), np.zeros(vertices, np.int32)
    for a in range(vertices):
        # From here on only vertices behind a are left in the lists, for those before it were taken off.
        if out_head[a] < out_end[a + 1] and in_head[a] < in_end[a + 1]:
            for p in range(in_head[a], in_end[a + 1]):
                d = in_from[p]
                to_a[d] = in_edge[p]
                if length_max > 3:
                    for q in range(in_head[d], in_end[d + 1]):
                        ways_back[in_from[q]] += 1
            fours = 0
            for e in range(out_head[a], out_end[a + 1]):
                b = out_to[e]
                from_a[b] = True
                if to_a[b] >= 0:
                    found[2] += 1
                    on_edge[out_edge[e]] += 1
                    on_edge[to_a[b]] += 1
                if length_max < 3:
                    continue
                here = 0
                for f in range(out_head[b], out_end[b + 1]):
                    c = out_to[f]
                    if c == a:
                        continue
                    if to_a[c] >= 0:
                        found[3] += 1
                        here += 1
                        on_edge[out_edge[f]] += 1
                        on_edge[to_a[c]] += 1
                    if length_max > 3:
                        ways_out[c] += 1
                        ways = ways_back[c]
                        if ways > 0:
                            if to_a[b] >= 0 and has_item(out_to, out_head[c], out_end[c + 1], b):
                                ways -= 1
                            fours += ways
                            here += ways
                            on_edge[out_edge[f]] += ways
                on_edge[out_edge[e]] += here
            found[4] += fours
            if length_max > 3:
                for p in range(in_head[a], in_end[a + 1]):
                    d = in_from[p]
                    here = 0
                    for q in range(in_head[d], in_end[d + 1]):
                        c = in_from[q]
                        ways_back[c] = 0
                        ways = ways_out[c]
                        if fours > 0 and ways > 0 and c != a:
                            if from_a[d] and has_item(out_to, out_head[d], out_end[d + 1], c):
                                ways -= 1
                            here += ways
                            on_edge[in_edge[q]] += ways
                    on_edge[in_edge[p]] += here
            for e in range(out_head[a], out_end[a + 1]):
                b = out_to[e]
                from_a[b] = False
                if length_max > 3:
                    for f in range(out_head[b], out_end[b + 1]):
                        ways_out[out_to[f]] = 0
            for p in range(in_head[a], in_end[a + 1]):
                to_a[in_from[p]] = -1
        for e in range(out_head[a], out_end[a + 1]):
            in_head[out_to[e]] += 1
        for p in range(in_head[a], in_end[a + 1]):
            out_head[in_from[p]] += 1
    return found


@compiled
def sort_by(keys, count, order):
    """Return the positions sorted by key, equal ones in the given order."""
    if order is None and count > _COUNTED_MAX:
        return _sort_by_digits(keys, count)
    place = np.zeros(count + 1, np.int64)
    for i in range(keys.size):
        place[keys[i] + 1] += 1
    for k in range(count):
        place[k + 1] += place[k]
    found = np.empty(keys.size, np.int32)
    for i in range(keys.size):
        j = i if order is None else order[i]
        found[place[keys[j]]] = j
        place[keys[j]] += 1
    return found


@compiled
def _sort_by_digits(keys, count):
    """Return the positions sorted by key, in two rounds: to so few places at a time, memory is written at once."""
    half = 1
    while count >> 2 * half > 0:
        half += 1
    low, high = np.zeros((1 << half) + 1, np.int64), np.zeros((count >> half) + 2, np.int64)
    for i in range(keys.size):
        low[(keys[i] & ((1 << half) - 1)) + 1] += 1
        high[(keys[i] >> half) + 1] += 1
    for k in range(low.size - 1):
        low[k + 1] += low[k]
    for k in range(high.size - 1):
        high[k + 1] += high[k]
    # A position stands behind its high digit.
    placed, found = np.empty(keys.size, np.int64), np.empty(keys.size, np.int32)
    for i in range(keys.size):
        digit = keys[i] & ((1 << half) - 1)
        placed[low[digit]] = np.int64(keys[i] >> half) << 32 | i
        low[digit] += 1
    for i in range(keys.size):
        digit = placed[i] >> 32
        found[high[digit]] = placed[i]
        high[digit] += 1
    return found


@compiled
def meet_often(starts, members, own_starts, own, units, least):
    """Return the pairs of members who meet at `least` or more targets, with the units of those added up.

    `members` are those of each target, sorted, from `starts`; `own` are the targets of each member from `own_starts`.
    """
    count = own_starts.size - 1
    times, sums = np.zeros(count, np.int32), np.zeros(count, np.int64)
    touched = np.empty(count, np.int64)
    room = 1024
    left, right, weight = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    found = 0
    for a in range(count):
        seen = 0
        for e in range(own_starts[a], own_starts[a + 1]):
            target = own[e]
            for i in range(starts[target + 1] - 1, starts[target] - 1, -1):
                b = members[i]
                if b <= a:
                    break
                if times[b] == 0:
                    touched[seen] = b
                    seen += 1
                times[b] += 1
                sums[b] += units[target]
        for i in range(seen):
            b = touched[i]
            if times[b] >= least:
                if found == room:
                    left = np.concatenate((left, np.empty(room, np.int64)))
                    right = np.concatenate((right, np.empty(room, np.int64)))
                    weight = np.concatenate((weight, np.empty(room, np.int64)))
                    room *= 2
                left[found], right[found], weight[found] = a, b, sums[b]
                found += 1
            times[b] = 0
            sums[b] = 0
    return left[:found], right[:found], weight[:found]


@compiled
def has_item(items, low, high, item):
    """Say whether a sorted stretch of `items` holds one."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if items[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < end and items[low] == item


@compiled
def list_neighbours(left, right, weights, count):
    """Return (starts, targets, weights) of an undirected graph, each edge stored at both of its ends."""
    starts = np.zeros(count + 1, np.int64)
    for e in range(left.size):
        starts[left[e] + 1] += 1
        starts[right[e] + 1] += 1
    for v in range(count):
        starts[v + 1] += starts[v]
    place = starts[:-1].copy()
    targets, weights_both = np.empty(2 * left.size, np.int32), np.empty(2 * left.size, weights.dtype)
    for e in range(left.size):
        a, b = left[e], right[e]
        targets[place[a]], weights_both[place[a]] = b, weights[e]
        targets[place[b]], weights_both[place[b]] = a, weights[e]
        place[a] += 1
        place[b] += 1
    return starts, targets, weights_both


@compiled
def find_dense(starts, targets, weights, bound):
    """Say which vertices to peel for the densest part: all of it is among them, and of the others few are.

    `bound` is what the core of a vertex is at most, and -1 for one that is gone; it is lowered for those left out, so
    that after the densest part is gone too, only those are looked at who may belong to the next. Who is held by less
    than the weight there is for each vertex only thins the rest: such vertices fall together, until few do, for to peel
    them one by one would take many times as long.
    """
    held = np.zeros(bound.size, np.int64)
    # Any part is a beginning, for the densest is denser; those who may be held most are a good one.
    level = _measure_density(starts, targets, weights, 2 * bound >= bound.max(), held)
    fallen, left = bound.size, bound.size
    while fallen * _FEW > left:
        level = max(level, _measure_density(starts, targets, weights, bound >= level, held))
        fallen, left = 0, 0
        for v in range(bound.size):
            if bound[v] >= level:
                left += 1
                if held[v] < level:
                    bound[v] = level - 1
                    fallen += 1
    return bound >= level


@compiled
def _measure_density(starts, targets, weights, is_inside, held):
    """Tell for each vertex inside what holds it; returns the weight there is for each of them, rounded up."""
    both, inside = np.int64(0), 0
    for v in range(is_inside.size):
        if is_inside[v]:
            held[v] = 0
            for e in range(starts[v], starts[v + 1]):
                held[v] += is_inside[targets[e]] * weights[e]
            both += held[v]
            inside += 1
    # Each weight was counted at both of its ends.
    return -(-both // max(1, 2 * inside))


@compiled
def peel(starts, targets, weights, is_gone):
    """Peel a weighted graph from its weakest vertex on, as FRAUDAR does; whole-number weights, both directions stored.

    Returns (core, best): `core[v]` is the weight that held v when it fell, never less than that of those before it, so
    it depends on the graph alone, and -1 for vertices that were gone before; `best` is the core level at which weight
    divided by vertices is greatest.
    """
    vertices = starts.size - 1
    standing = np.flatnonzero(~is_gone)
    # What holds each vertex; -1 once it has fallen.
    degree = np.full(vertices, np.int64(-1))
    total, left, most, heaviest, edges = np.int64(0), standing.size, np.int64(0), np.int64(0), 0
    for v in standing:
        degree[v] = 0
        for e in range(starts[v], starts[v + 1]):
            if not is_gone[targets[e]]:
                degree[v] += weights[e]
                heaviest = max(heaviest, np.int64(weights[e]))
                edges += 1
        total += degree[v]
        most = max(most, degree[v])
    total //= 2
    edges //= 2
    # Who is held by k others or more needs k others of whom that is true: no level is higher than this.
    top = min(most, heaviest * (np.int64(np.sqrt(2.0 * edges)) + 1))
    # Buckets of vertices by weight, as chains of entries; what fell into a lower bucket leaves an entry behind. Only
    # vertices within the next stretch of weights have entries, for most lose much before their turn comes.
    newest = np.full(top + 1, -1, np.int32)
    before, who = np.empty(left + edges, np.int32), np.empty(left + edges, np.int32)
    entries, bound = 0, np.int64(0)
    core = np.full(vertices, -1, np.int64)
    at, level = np.int64(0), np.int64(-1)
    best, best_density = np.int64(0), -1.0
    while left > 0:
        if at >= bound:
            entries, bound = 0, at + _STRETCH
            for v in standing:
                bucket = max(min(degree[v], top), at)
                if degree[v] >= 0 and bucket < bound:
                    before[entries], who[entries] = newest[bucket], v
                    newest[bucket] = entries
                    entries += 1
        if newest[at] < 0:
            at += 1
            continue
        v = who[newest[at]]
        newest[at] = before[newest[at]]
        if degree[v] < 0:
            continue
        if at > level:
            density = total / left
            if density > best_density:
                best, best_density = at, density
            level = at
        core[v] = level
        total -= degree[v]
        degree[v] = -1
        left -= 1
        for e in range(starts[v], starts[v + 1]):
            u = targets[e]
            held = degree[u]
            if held >= 0:
                degree[u] = held - weights[e]
                lower = max(min(held - weights[e], top), at)
                if lower < min(held, top) and lower < bound:
                    before[entries], who[entries] = newest[lower], u
                    newest[lower] = entries
                    entries += 1
    return core, best


@compiled
def take_logs(values, bits, mantissas, mantissa_bits, out):
    """Write the natural logarithms of positive numbers, within 2e-6; `bits` are the same memory seen as integers.

    The exponent is read off, the mantissa goes through the series of 2 artanh((m - 1) / (m + 1)). Without a call in
    the loops, and without one that writes what it reads, several are taken at once, which is where a sweep would spend
    most of its time else. `mantissas` is room for as many, `mantissa_bits` the same seen as integers.
    """
    for i in range(values.size):
        out[i] = (bits[i] >> 52) - 1023
        mantissa_bits[i] = (bits[i] & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000
    for i in range(values.size):
        s = (mantissas[i] - 1.0) / (mantissas[i] + 1.0)
        q = s * s
        series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q / 9.0))))
        out[i] = out[i] * 0.6931471805599453 + series


@compiled
def pack_bins(features, bins):
    """Return two numbers for each row of bins, which sort as the rows do."""
    first, second = np.zeros(features.shape[0], np.int64), np.zeros(features.shape[0], np.int64)
    half = (features.shape[1] + 1) // 2
    for i in range(features.shape[0]):
        for t in range(half):
            first[i] = first[i] * bins + features[i, t]
        for t in range(half, features.shape[1]):
            second[i] = second[i] * bins + features[i, t]
    return first, second


@compiled
def count_bins(features, classes, starts, votes, tables):
    """Add the bins of every dealing to `tables[class, trait, bin]`, for the hubs that have a vote."""
    traits = features.shape[1]
    for hub in range(starts.size - 1):
        if votes[hub]:
            for i in range(starts[hub], starts[hub + 1]):
                for t in range(traits):
                    tables[classes[hub], t, features[i, t]] += 1.0


@compiled
def fit_hubs(starts, features, classes, votes, tables, pooled, totals, weights, shrink, share, sums):
    """Fit each hub as a mixture of ordinary dealings and dealings of a ring, whose habits are learnt from the hub.

    `features` (dealings × traits) are small bins; dealings of a hub stand together from `starts`, best those that are
    alike beside each other. `tables[class, trait, bin]` counts the bins over all hubs of a class, `totals[class]` the
    dealings, `pooled` tells the shares over all. What is ordinary for a hub is learnt without the hub itself; the last
    bin stands for the unknown, which tells nothing. Fills `share`, the probability that a dealing is the ring's, and
    `sums[hub, trait]`: over the dealings that are rather the ring's, the nats that speak for it when its habits are
    learnt without that dealing.
    """
    traits, bins = tables.shape[1], tables.shape[2]
    cells = traits * bins
    # Tables of traits and bins as one row: a dealing is a place in it for each trait. What is unknown weighs nothing.
    ordinary, own, drawn, weight = np.empty(cells), np.empty(cells), np.empty(cells), np.zeros(cells)
    counts, first_nats = np.empty(cells), np.empty(cells)
    for t in range(traits):
        weight[t * bins : (t + 1) * bins - 1] = weights[t]
    # Logarithms are taken of so many dealings at a time: many enough to take several at once, few enough to stay near.
    room = max(_AT_ONCE * traits, cells)
    upper, lower, heft, ratio = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    mantissas, logs = np.empty(room), np.empty(room)
    bits, mantissa_bits = ratio.view(np.int64), mantissas.view(np.int64)
    largest = 0
    for hub in range(starts.size - 1):
        largest = max(largest, starts[hub + 1] - starts[hub])
    cell = np.empty((largest + 1) * traits, np.uint16)
    begins, parts = np.empty(largest + 1, np.int64), np.empty(largest)
    llr = np.empty(largest * traits)
    for hub in range(starts.size - 1):
        first = starts[hub]
        size = starts[hub + 1] - first
        kind = classes[hub]
        if size < 3:
            continue
        counts[:] = 0.0
        # What is said of a dealing is said of all that are like it and stand beside it.
        unlike = 0
        for i in range(size):
            is_new = i == 0
            for t in range(traits):
                place = np.uint16(t * bins + features[first + i, t])
                cell[unlike * traits + t] = place
                counts[place] += 1.0
                is_new |= features[first + i, t] != features[first + i - 1, t]
            if is_new:
                begins[unlike] = i
                unlike += 1
        begins[unlike] = size
        out = 1.0 if votes[hub] else 0.0
        kept = totals[kind] - out * size
        scale = 1.0 / (size - 1.0 + shrink)
        for t in range(traits):
            for b in range(bins):
                c = t * bins + b
                known = tables[kind, t, b] - out * counts[c]
                ordinary[c] = (known + 100.0 * pooled[t, b]) / (kept + 100.0)
        for c in range(cells):
            drawn[c] = shrink * ordinary[c]
            ratio[c] = (max(counts[c] - 1.0, 0.0) + drawn[c]) * scale / ordinary[c]
        take_logs(ratio[:cells], bits[:cells], mantissas, mantissa_bits, first_nats)
        for c in range(cells):
            first_nats[c] *= weight[c]
        for i in range(unlike):
            value = 0.0
            for t in range(traits):
                value += first_nats[cell[i * traits + t]]
            parts[i] = 1.0 / (1.0 + np.exp(-max(-30.0, min(30.0, value))))
        mix = 0.5
        for _ in range(15):
            own[:] = 0.0
            heavy = 0.0
            for i in range(unlike):
                part = parts[i]
                for _ in range(begins[i], begins[i + 1]):
                    heavy += part
                    for t in range(traits):
                        own[cell[i * traits + t]] += part
            moved = 0.0
            prior = np.log(mix / (1.0 - mix))
            for block in range(0, unlike, _AT_ONCE):
                end = min(unlike, block + _AT_ONCE)
                at = 0
                for i in range(block, end):
                    part = parts[i]
                    scale = 1.0 / (max(heavy - part, 0.0) + shrink)
                    for t in range(traits):
                        c = cell[i * traits + t]
                        upper[at] = (max(own[c] - part, 0.0) + drawn[c]) * scale
                        lower[at] = ordinary[c]
                        heft[at] = weight[c]
                        at += 1
                for k in range(at):
                    ratio[k] = upper[k] / lower[k]
                take_logs(ratio[:at], bits[:at], mantissas, mantissa_bits, logs)
                base = block * traits
                for k in range(at):
                    llr[base + k] = heft[k] * max(-4.0, min(5.0, logs[k]))
                for i in range(block, end):
                    value = prior
                    for k in range(i * traits, (i + 1) * traits):
                        value += llr[k]
                    fresh = 1.0 / (1.0 + np.exp(-max(-30.0, min(30.0, value))))
                    moved = max(moved, abs(fresh - parts[i]))
                    parts[i] = fresh
            mix = min(0.97, max(0.03, (heavy + 0.5) / (size + 1.0)))
            # Less than one member is no ring, and will hardly become one.
            if moved < 1e-4 or heavy < 1.0:
                break
        for i in range(unlike):
            for k in range(begins[i], begins[i + 1]):
                share[first + k] = parts[i]
                if parts[i] >= 0.5:
                    for t in range(traits):
                        sums[hub, t] += llr[i * traits + t]


@compiled
def add_trees(columns, asks, bars, adds, odds):
    """Add to the odds of each hub what the trees say of its features (features × hubs); see `learnt.Learnt`."""
    for tree in range(asks.shape[0]):
        first, below, above = columns[asks[tree, 0]], columns[asks[tree, 1]], columns[asks[tree, 2]]
        bar, bar_below, bar_above = bars[tree]
        low, low_high, high_low, high = adds[tree]
        for hub in range(odds.size):
            if_below = low_high if below[hub] > bar_below else low
            if_above = high if above[hub] > bar_above else high_low
            odds[hub] += if_above if first[hub] > bar else if_below
