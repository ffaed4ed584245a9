"""A world in numbers: accounts, orders, touches and identifiers as integer columns, as they were read."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from tuike.risk.sweep import kernels
from tuike.risk.sweep.ordering import find_changes

Column = np.ndarray
_NOTHING = np.empty(0, np.int32)
_NO_INSTANTS = np.empty(0, np.int64)


def _no_texts() -> Any:
    return pa.array([], pa.string())


@dataclass(slots=True)
class Orders:
    """One entry an order line; -1 and MISSING stand for what is unknown."""

    order_ids: Any
    sku_ids: Any
    order: Column
    buyer: Column
    promoter: Column
    sku: Column
    amount: Column
    placed_at: Column
    paid_at: Column
    received_at: Column
    refunded_at: Column

    @classmethod
    def empty(cls) -> "Orders":
        return cls(_no_texts(), _no_texts(), *[_NOTHING] * 4, *[_NO_INSTANTS] * 5)


@dataclass(slots=True)
class Touches:
    """One entry a touch; `parent` is the parent's entry."""

    touch_ids: Any
    touch: Column
    promoter: Column
    buyer: Column
    parent: Column
    at: Column

    @classmethod
    def empty(cls) -> "Touches":
        return cls(_no_texts(), _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NO_INSTANTS)


@dataclass(slots=True)
class Identifiers:
    """One entry a use of an identifier; `token` numbers what means the same thing, `raw` the text as entered."""

    account: Column
    kind: Column
    token: Column
    raw: Column
    texts: Any

    @classmethod
    def empty(cls) -> "Identifiers":
        return cls(_NOTHING, np.empty(0, np.int8), _NOTHING, _NOTHING, _no_texts())


@dataclass(slots=True)
class Uses:
    """Which persons use which identifiers: those of each token stand sorted from `starts`, and for each person tokens.

    `users` and `kind` are those of each token. `own`, from `own_starts`, leaves out what one account alone uses.
    """

    starts: Column
    person: Column
    users: Column
    kind: Column
    own_starts: Column
    own: Column


@dataclass
class World:
    """Everything read. Accounts are numbered promoters first, then buyers."""

    promoter_ids: Any
    buyer_ids: Any
    joined_at: Column
    inviters: Column
    registered_at: Column
    same_promoters: Column
    same_buyers: Column
    orders: Orders
    touches: Touches
    identifiers: Identifiers
    warnings: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def promoters(self) -> int:
        return len(self.promoter_ids)

    @property
    def buyers(self) -> int:
        return len(self.buyer_ids)

    @property
    def accounts(self) -> int:
        return self.promoters + self.buyers

    @cached_property
    def person(self) -> Column:
        """The person behind each account: a promoter and a buyer known to be one are one."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        size, ones = self.accounts, np.ones(self.same_promoters.size, np.int8)
        ties = coo_matrix((ones, (self.same_promoters, self.same_buyers + self.promoters)), shape=(size, size))
        return connected_components(ties, directed=False)[1].astype(np.int32)

    @cached_property
    def uses(self) -> Uses:
        """Who uses which identifiers, each use once."""
        shown, persons = self.identifiers, max(self.persons, 1)
        pairs = np.sort(shown.token.astype(np.int64) * persons + self.person[shown.account])
        pairs = pairs[find_changes(pairs)]
        token, person = (pairs // persons).astype(np.int32), (pairs % persons).astype(np.int32)
        users = np.bincount(token)
        kind = np.zeros(users.size, np.int8)
        kind[shown.token] = shown.kind
        starts, own_starts = np.zeros(users.size + 1, np.int64), np.zeros(persons + 1, np.int64)
        np.cumsum(users, out=starts[1:])
        is_several = np.bincount(self.person, minlength=persons) > 1
        shared = np.flatnonzero(np.repeat(users > 1, users) | is_several[person])
        sharer = person[shared]
        np.cumsum(np.bincount(sharer, minlength=persons), out=own_starts[1:])
        return Uses(starts, person, users, kind, own_starts, token[shared[kernels.sort_by(sharer, persons, None)]])

    @property
    def persons(self) -> int:
        return int(self.person.max()) + 1 if self.accounts else 0

    def describe(self, account: int) -> tuple[str, str]:
        """Return the kind and the id of an account."""
        if account < self.promoters:
            return "promoter", self.promoter_ids[account].as_py()
        return "buyer", self.buyer_ids[account - self.promoters].as_py()
