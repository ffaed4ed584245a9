"""Compiled pieces of sorting, numbering and searching, where what numpy has spends its time waiting for memory."""

import numpy as np

from tuike.risk.sweep.jit import compiled


@compiled
def measure_column(values, unknown):
    """Return the least and the greatest of the values that are known, and how many are."""
    low, high, known = np.int64(0), np.int64(0), 0
    for i in range(values.size):
        if values[i] != unknown:
            low = values[i] if known == 0 else min(low, values[i])
            high = values[i] if known == 0 else max(high, values[i])
            known += 1
    return low, high, known


@compiled
def is_stepped(values, low, step):
    """Say whether all values from `low` on lie whole steps above it."""
    for i in range(values.size):
        if values[i] > low and (values[i] - low) % step != 0:
            return False
    return True


@compiled
def add_digit(keys, values, low, step, span):
    """Put one more digit behind each key: how many steps a value lies above `low`, nought for what lies below."""
    for i in range(keys.size):
        digit = max(values[i], low) - low
        keys[i] = keys[i] * span + (digit if step == 1 else digit // step)


@compiled
def count_beginnings(keys, shift, beginnings):
    """Return where the keys with each beginning, which is what is left of `shift` bits, would stand if sorted."""
    starts = np.zeros(beginnings + 1, np.int64)
    for i in range(keys.size):
        starts[(keys[i] >> shift) + 1] += 1
    for k in range(beginnings):
        starts[k + 1] += starts[k]
    return starts


@compiled
def put_together(keys, shift, starts, bits):
    """Return the keys with each beginning together from `starts`: what follows it, then `bits` for the place there.

    Returns also the row of each place.
    """
    placed, row = np.empty(keys.size, np.int64), np.empty(keys.size, np.int32)
    ends, rest = starts[:-1].copy(), (np.int64(1) << shift) - 1
    for i in range(keys.size):
        beginning = keys[i] >> shift
        at = ends[beginning]
        placed[at], row[at] = (keys[i] & rest) << bits | (at - starts[beginning]), i
        ends[beginning] += 1
    return placed, row


@compiled
def take_order(placed, bits, starts, row):
    """Return the rows of keys put together and sorted, and which key differs from the one before."""
    order, is_new = np.empty(placed.size, np.int64), np.empty(placed.size, np.bool_)
    places = (np.int64(1) << bits) - 1
    for k in range(starts.size - 1):
        first = starts[k]
        for i in range(first, starts[k + 1]):
            place = placed[i] & places
            order[i] = place if row is None else row[first + place]
            is_new[i] = i == first or placed[i] >> bits != placed[i - 1] >> bits
    return order, is_new


@compiled
def number_sorted(order, is_new):
    """Number the distinct keys, given their order; returns where each begins there, and the number of each row."""
    starts, number = np.empty(order.size + 1, np.int64), np.empty(order.size, np.int64)
    count = 0
    for i in range(order.size):
        starts[count] = i
        count += is_new[i]
        number[order[i]] = count - 1
    starts[count] = order.size
    return starts[: count + 1].copy(), number


@compiled
def find_places(found, values, low, shift, begins, is_after):
    """Return, for each value, how many of the sorted whole numbers `found` are less, or with `is_after` not greater.

    `begins` says where the numbers of each stretch of 2**shift from `low` on begin, so that few are looked at.
    """
    places = np.empty(values.size, np.int64)
    stretches = begins.size - 1
    for i in range(values.size):
        value = values[i]
        stretch = (value - low) >> shift
        if value < low:
            places[i] = 0
        elif stretch >= stretches:
            places[i] = found.size
        else:
            first, end = np.int64(begins[stretch]), np.int64(begins[stretch + 1])
            while first < end:
                middle = (first + end) >> 1
                if found[middle] < value or (is_after and found[middle] == value):
                    first = middle + 1
                else:
                    end = middle
            places[i] = first
    return places


@compiled
def list_stretches(found, low, shift, stretches):
    """Return where in the sorted numbers each stretch of 2**shift from `low` on begins, and their end."""
    begins = np.empty(stretches + 1, np.int32)
    at = 0
    for stretch in range(stretches):
        while at < found.size and (found[at] - low) >> shift < stretch:
            at += 1
        begins[stretch] = at
    begins[stretches] = found.size
    return begins


@compiled
def list_repeated(values):
    """Return, of sorted values, those that occur more than once, each once."""
    repeated = np.empty(values.size // 2, values.dtype)
    count = 0
    for i in range(1, values.size):
        if values[i] == values[i - 1] and (i == 1 or values[i] != values[i - 2]):
            repeated[count] = values[i]
            count += 1
    return repeated[:count].copy()


@compiled
def mark_common(left, right):
    """Say of each of the sorted numbers `left` whether it is among the sorted numbers `right`."""
    common = np.zeros(left.size, np.bool_)
    at = 0
    for i in range(left.size):
        while at < right.size and right[at] < left[i]:
            at += 1
        common[i] = at < right.size and right[at] == left[i]
    return common


def find_changes(values: np.ndarray) -> np.ndarray:
    """Say of each value whether it differs from the one before."""
    is_new = np.ones(values.size, bool)
    is_new[1:] = values[1:] != values[:-1]
    return is_new
