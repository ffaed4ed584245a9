"""What the detectors look at, derived from a world: orders, dealings, and who shares an identifier with whom."""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from tuike.risk.model import MISSING, IdentifierKind, Settings
from tuike.risk.sweep import kernels, ordering
from tuike.risk.sweep.ordering import find_changes
from tuike.risk.sweep.world import World

Column = np.ndarray
SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
STRONG = frozenset(
    {IdentifierKind.DEVICE, IdentifierKind.PHONE, IdentifierKind.PAYMENT_ACCOUNT, IdentifierKind.PAYOUT_ACCOUNT}
)
PERSONAL = STRONG - {IdentifierKind.DEVICE}
"""What people hardly lend each other; a device may stand where many live."""
_KINDS = tuple(IdentifierKind)
_TOGETHER = 1024
"""So many keys are sorted at a time where all are too many: they stay in the nearest cache."""


@dataclass(slots=True)
class Purchases:
    """One entry an order (not a line); `first` is its first line, `lag` the time since the buyer's last touch."""

    buyer: Column
    promoter: Column
    at: Column
    paid: Column
    received: Column
    refunded: Column
    amount: Column
    lag: Column
    of_line: Column
    customers: tuple[Column, Column]
    """The distinct pairs of buyer and promoter, sorted."""


@dataclass(slots=True)
class Links:
    """Pairs of persons that share an identifier few others use. `kind` is the telling one, `users` how many use it."""

    left: Column
    right: Column
    kind: Column
    users: Column
    is_strong: Column
    is_personal: Column
    is_own: Column
    """A promoter and a buyer alone on an identifier: likely one person, who shares it with nobody."""

    def choose(self, which: Column) -> "Links":
        """Return some of the links."""
        return Links(*(getattr(self, field.name)[which] for field in fields(self)))


def distinct(values: Column) -> Column:
    """Return the distinct values, sorted; several times faster on whole numbers than `np.unique` with its hashes."""
    if not values.size:
        return values
    found = np.sort(values)
    return found[find_changes(found)]


def to_starts(codes: Column, count: int) -> Column:
    """Return where each code's entries begin once they are sorted, and the end of all."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=count)[:count], out=starts[1:])
    return starts


def gather_purchases(world: World) -> Purchases:
    """Put the lines of each order together."""
    lines = world.orders
    key = (lines.order.astype(np.int64) * (world.buyers + 1) + lines.buyer + 1) * (world.promoters + 1) + (
        lines.promoter + 1
    )
    groups = group_by(key)
    first, of_line = groups.first, groups.number
    amount = np.zeros(first.size, np.int64)
    kernels.add_known(of_line, lines.amount, MISSING, amount)
    latest = []
    for column in (lines.placed_at, lines.paid_at, lines.received_at, lines.refunded_at):
        value = np.full(first.size, MISSING)
        kernels.take_greatest(of_line, column, value)
        latest.append(value)
    buyer, promoter = lines.buyer[first], lines.promoter[first]
    placed, paid, received, refunded = latest
    at = np.where(placed == MISSING, paid, placed)
    return Purchases(
        buyer, promoter, at, paid, received, refunded, amount, _find_lags(world, buyer, promoter, at), of_line,
        _list_customers(world, buyer, promoter),
    )  # fmt: skip


def _list_customers(world: World, buyer: Column, promoter: Column) -> tuple[Column, Column]:
    use = (promoter >= 0) & (buyer >= 0)
    pairs = distinct(buyer[use].astype(np.int64) * world.promoters + promoter[use])
    return (pairs // world.promoters, pairs % world.promoters) if pairs.size else (pairs, pairs)


@dataclass(slots=True)
class Groups:
    """Rows with equal keys: `order` puts them together, groups begin at `starts`, `number` tells the group of a row."""

    order: Column
    starts: Column
    number: Column

    @property
    def first(self) -> Column:
        """One row of each group."""
        return self.order[self.starts[:-1]]

    @property
    def size(self) -> Column:
        """How many rows each group has."""
        return np.diff(self.starts)


def group_by(keys: Column) -> Groups:
    """Group rows by a whole number, 0 or more; groups are numbered from the least on, each's rows are in any order."""
    order, is_new = _order(keys, int(keys.max(initial=0)) + 1)
    return Groups(order, *ordering.number_sorted(order, is_new))


def sort_by(*columns: Column) -> Column:
    """Return the order by whole-number columns, the most significant first; which of equal rows comes first is open.

    Columns are packed into 64-bit keys, for one key is sorted many times faster than several; what the first leaves
    equal is settled by the next.
    """
    if not columns[0].size:
        return np.empty(0, np.int64)
    (key, span), *others = _pack(columns)
    order, is_new = _order(key, span)
    for key, span in others:
        _settle(order, is_new, key, span)
    return order


def _order(keys: Column, span: int) -> tuple[Column, Column]:
    """Return the order of whole numbers from 0 to below `span`, and which of them so ordered differs from the last.

    Where a key and its place fit into one number, such numbers are sorted themselves: sorting places alone looks up the
    key of each again and again, all over memory. Else keys that begin alike are put together first, so few that what
    is left of the key and the place among them fit.
    """
    bits = keys.size.bit_length()
    if span.bit_length() + bits <= 63:
        placed = keys << bits
        placed |= np.arange(keys.size)
        placed.sort()
        return ordering.take_order(placed, bits, np.array([0, keys.size]), None)
    shift = span.bit_length() - (keys.size // _TOGETHER).bit_length()
    if keys.size >= _TOGETHER and span < 2**63:
        starts = ordering.count_beginnings(keys, shift, ((span - 1) >> shift) + 1)
        bits = int(np.diff(starts).max()).bit_length()
        if shift + bits <= 63:
            placed, row = ordering.put_together(keys, shift, starts, bits)
            for begin, end in pairwise(starts.tolist()):
                placed[begin:end].sort()
            return ordering.take_order(placed, bits, starts, row)
    order = np.argsort(keys)
    return order, find_changes(keys[order])


def _pack(columns: tuple[Column, ...]) -> list[tuple[Column, int]]:
    """Return the columns as few keys, the most significant first, each with how many values it may have."""
    keys: list[tuple[Column, int]] = []
    for column in columns:
        values = column.astype(np.int64, copy=False)
        low, high, known = ordering.measure_column(values, MISSING)
        # The unknown comes first, a step before all that is known.
        step = SECOND if high - low > 2**32 and ordering.is_stepped(values, low, SECOND) else 1
        low -= step * (known < values.size)
        span = (high - low) // step + 1
        if not keys or keys[-1][1] * span >= 2**62:
            keys.append((np.zeros(values.size, np.int64), 1))
        ordering.add_digit(keys[-1][0], values, low, step, span)
        keys[-1] = keys[-1][0], keys[-1][1] * span
    return keys


def _settle(order: Column, is_new: Column, key: Column, span: int) -> None:
    """Sort by a further key within what is equal so far, and say what is equal then."""
    alone = is_new.copy()
    alone[:-1] &= is_new[1:]
    tied = np.flatnonzero(~alone)
    if not tied.size:
        return
    group = np.cumsum(is_new[tied]) - 1
    value = key[order[tied]]
    by_value = np.argsort(group * span + value) if (int(group[-1]) + 1) * span < 2**62 else np.lexsort((value, group))
    order[tied] = order[tied][by_value]
    is_new[tied] |= find_changes(value[by_value])


class Places:
    """Searches sorted whole numbers for many others in any order, by a table of where to begin."""

    def __init__(self, found: Column) -> None:
        self._found = found
        self._low = int(found[0]) if found.size else 0
        span = int(found[-1]) - self._low + 1 if found.size else 1
        # About one number a stretch.
        self._shift = max(0, (span // max(1, found.size)).bit_length() - 1)
        self._begins = ordering.list_stretches(found, self._low, self._shift, ((span - 1) >> self._shift) + 1)

    def count_less(self, values: Column) -> Column:
        """Return how many are less than each value."""
        return ordering.find_places(self._found, values, self._low, self._shift, self._begins, False)

    def count_up_to(self, values: Column) -> Column:
        """Return how many are each value or less."""
        return ordering.find_places(self._found, values, self._low, self._shift, self._begins, True)


def _find_lags(world: World, buyer: Column, promoter: Column, at: Column) -> Column:
    """Return how long before each order the buyer last opened a link of its promoter."""
    touches = world.touches
    lag = np.full(at.size, MISSING)
    known = (touches.at != MISSING) & (touches.buyer >= 0) & (touches.promoter >= 0)
    asked = np.flatnonzero((at != MISSING) & (buyer >= 0) & (promoter >= 0))
    if not known.any() or not asked.size:
        return lag
    width = world.promoters + 1
    pair_touch = touches.buyer[known].astype(np.int64) * width + touches.promoter[known]
    pair_order = buyer[asked].astype(np.int64) * width + promoter[asked]
    pairs, instants = np.concatenate((pair_touch, pair_order)), np.concatenate((touches.at[known], at[asked]))
    is_order = np.concatenate((np.zeros(pair_touch.size, np.int8), np.ones(asked.size, np.int8)))
    lags = np.full(asked.size, MISSING)
    kernels.measure_lags(sort_by(pairs, instants, is_order), pairs, instants, pair_touch.size, lags)
    lag[asked] = lags
    return lag


def find_links(world: World, settings: Settings) -> Links:
    """Return the pairs of persons that share an identifier with few users."""
    shown = world.identifiers
    nothing = np.empty(0, np.int64)
    if not shown.token.size:
        return Links(nothing, nothing, nothing, nothing, *[nothing.astype(bool)] * 3)
    uses = world.uses
    users, kind_of = uses.users, uses.kind
    most = np.full(len(_KINDS), settings.identity_users_max)
    most[_KINDS.index(IdentifierKind.PAYOUT_ACCOUNT)] = 4 * settings.identity_users_max
    most[_KINDS.index(IdentifierKind.IP)] = settings.identity_users_max // 2
    chosen = np.flatnonzero((users > 1) & (users <= most[kind_of]))
    room = int((users[chosen] * (users[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(uses.starts, uses.person, chosen, left, right, source)
    pairs = left * world.persons + right
    groups = group_by(pairs)
    inverse, pairs = groups.number, pairs[groups.first]
    is_strong, is_personal = np.zeros(pairs.size, bool), np.zeros(pairs.size, bool)
    for found, kinds in ((is_strong, STRONG), (is_personal, PERSONAL)):
        found[inverse[np.array([kind in kinds for kind in _KINDS])[kind_of[source]]]] = True
    fewest = np.full(pairs.size, np.iinfo(np.int64).max)
    kernels.take_least(inverse, users[source], fewest)
    kind = np.zeros(pairs.size, np.int64)
    kernels.take_greatest(inverse, kind_of[source].astype(np.int64), kind)
    left, right = pairs // world.persons, pairs % world.persons
    sides = np.zeros(world.persons, np.int8)
    sides[world.person[: world.promoters]] |= 1
    sides[world.person[world.promoters :]] |= 2
    # One of them only promotes and the other only buys.
    is_own = is_strong & (fewest == 2) & (sides[left] + sides[right] == 3) & (sides[left] != 3) & (sides[right] != 3)
    return Links(left, right, kind, fewest, is_strong, is_personal, is_own)
