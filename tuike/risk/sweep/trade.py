"""What the detectors look at, derived from a world: orders, dealings, and who shares an identifier with whom."""

from dataclasses import dataclass

import numpy as np

from tuike.risk.model import MISSING, IdentifierKind, Settings
from tuike.risk.sweep import kernels
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


def distinct(values: Column) -> Column:
    """Return the distinct values, sorted; several times faster on whole numbers than `np.unique` with its hashes."""
    if not values.size:
        return values
    found = np.sort(values)
    new = np.ones(found.size, bool)
    new[1:] = found[1:] != found[:-1]
    return found[new]


def to_starts(sorted_codes: Column, count: int) -> Column:
    """Return where each code's entries begin, and the end of all."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(sorted_codes, minlength=count)[:count], out=starts[1:])
    return starts


def gather_purchases(world: World) -> Purchases:
    """Put the lines of each order together."""
    lines = world.orders
    key = (lines.order.astype(np.int64) * (world.buyers + 1) + lines.buyer + 1) * (world.promoters + 1) + (
        lines.promoter + 1
    )
    _, first, of_line = np.unique(key, return_index=True, return_inverse=True)
    count = first.size
    amount = np.zeros(count, np.int64)
    np.add.at(amount, of_line, np.where(lines.amount == MISSING, 0, lines.amount))
    latest = []
    for column in (lines.placed_at, lines.paid_at, lines.received_at, lines.refunded_at):
        value = np.full(count, MISSING)
        np.maximum.at(value, of_line, column)
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


def sort_by(*columns: Column) -> Column:
    """Return the order by whole-number columns, the most significant first; which of equal rows comes first is open.

    Columns are packed into as few 64-bit keys as hold them: one key is sorted several times faster than several.
    """
    keys: list[Column] = []
    room = 2**62
    for column in reversed(columns):
        known = column[column != MISSING]
        if not column.size:
            return np.empty(0, np.int64)
        low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
        # The unknown comes first, a step before all that is known.
        low, unit = low - SECOND * (known.size < column.size), 1
        span = high - low + 1
        shifted = np.maximum(column.astype(np.int64), low) - low
        if span > 2**32 and not (shifted % SECOND).any():
            unit = SECOND
            shifted //= unit
        span = span // unit + 1
        if room * span >= 2**62:
            keys.append(shifted)
            room = span
        else:
            keys[-1] += shifted * room
            room *= span
    return np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys)


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
    _pairs, code = np.unique(np.concatenate((pair_touch, pair_order)), return_inverse=True)
    instants = np.concatenate((touches.at[known], at[asked]))
    is_order = np.concatenate((np.zeros(pair_touch.size, np.int8), np.ones(asked.size, np.int8)))
    order = sort_by(code, instants, is_order)
    newest = np.where(is_order[order] == 0, np.arange(order.size), -1)
    newest = np.maximum.accumulate(newest)
    found = (is_order[order] == 1) & (newest >= 0)
    found &= code[order[np.maximum(newest, 0)]] == code[order]
    place = order[found] - pair_touch.size
    lag[asked[place]] = instants[order[found]] - instants[order[newest[found]]]
    return lag


def find_links(world: World, settings: Settings) -> Links:
    """Return the pairs of persons that share an identifier with few users."""
    shown = world.identifiers
    nothing = np.empty(0, np.int64)
    if not shown.token.size:
        return Links(nothing, nothing, nothing, nothing, *[nothing.astype(bool)] * 3)
    person = world.person[shown.account]
    tokens = int(shown.token.max()) + 1
    uses = distinct(shown.token.astype(np.int64) * world.persons + person)
    token, member = uses // world.persons, uses % world.persons
    users = np.bincount(token, minlength=tokens)
    kind_of = np.zeros(tokens, np.int8)
    kind_of[shown.token] = shown.kind
    most = np.full(len(_KINDS), settings.identity_users_max)
    most[_KINDS.index(IdentifierKind.PAYOUT_ACCOUNT)] = 4 * settings.identity_users_max
    most[_KINDS.index(IdentifierKind.IP)] = settings.identity_users_max // 2
    chosen = np.flatnonzero((users > 1) & (users <= most[kind_of]))
    starts = to_starts(token, tokens)
    room = int((users[chosen] * (users[chosen] - 1) // 2).sum())
    left, right, source = (np.empty(room, np.int64) for _ in range(3))
    kernels.expand_pairs(starts, member, chosen, left, right, source)
    pairs, inverse = np.unique(left * world.persons + right, return_inverse=True)
    is_strong, is_personal = np.zeros(pairs.size, bool), np.zeros(pairs.size, bool)
    for found, kinds in ((is_strong, STRONG), (is_personal, PERSONAL)):
        found[inverse[np.array([kind in kinds for kind in _KINDS])[kind_of[source]]]] = True
    fewest = np.full(pairs.size, np.iinfo(np.int64).max)
    np.minimum.at(fewest, inverse, users[source])
    kind = np.zeros(pairs.size, np.int64)
    np.maximum.at(kind, inverse, kind_of[source])
    left, right = pairs // world.persons, pairs % world.persons
    sides = np.zeros(world.persons, np.int8)
    sides[world.person[: world.promoters]] |= 1
    sides[world.person[world.promoters :]] |= 2
    # One of them only promotes and the other only buys.
    is_own = is_strong & (fewest == 2) & (sides[left] + sides[right] == 3) & (sides[left] != 3) & (sides[right] != 3)
    return Links(left, right, kind, fewest, is_strong, is_personal, is_own)
