"""Plans: versions that are only ever added."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, TextClause, text

from tuike import catalog
from tuike.commission.model import EarningTerms, Plan, TooManyLevels
from tuike.commission.rules import LEVELS_CEILING, check_rates
from tuike.db import Transaction

DEFAULT_PLAN = "default"

_COLUMNS = (
    "name, version, valid_from, levels_max, rates_bps, holding_days, lock_days, attribution, base, self_purchase, "
    "order_cap_bps"
)
_NAMES = tuple(_COLUMNS.split(", "))
_NEWEST = text(f"SELECT {_COLUMNS} FROM plans WHERE name = :name ORDER BY version DESC LIMIT 1")
_AT = text(
    f"""
    SELECT {_COLUMNS} FROM plans WHERE name = :name AND (valid_from <= :at OR version = 1)
    ORDER BY version DESC LIMIT 1
    """
)
_VERSION = text(f"SELECT {_COLUMNS} FROM plans WHERE name = :name AND version = :version")
_ADD = text(
    f"""
    INSERT INTO plans ({_COLUMNS}) VALUES (:name, :version, :valid_from, :levels_max, :rates_bps, :holding_days,
        :lock_days, :attribution, :base, :self_purchase, :order_cap_bps)
    """
)


def get_plan(tx: Transaction, *, name: str = DEFAULT_PLAN) -> Plan:
    """Return the newest version of a plan."""
    return _plan(tx.execute(_NEWEST, {"name": name}).one())


def find_plan_at(tx: Transaction, *, at: datetime, name: str = DEFAULT_PLAN) -> Plan:
    """Return the version in force at an instant; the first version for earlier instants."""
    return _plan(tx.execute(_AT, {"name": name, "at": at}).one())


def find_plan_and(tx: Transaction, *, at: datetime, condition: str, name: str = DEFAULT_PLAN) -> tuple[Plan, bool]:
    """Return the version in force at an instant, and whether a condition of another capability (SQL) holds, at once."""
    row = tx.execute(_make_at_and(condition), {"name": name, "at": at}).one()
    *columns, holds = row
    return _plan_of(zip(_NAMES, columns, strict=True)), holds


def find_earning_terms(tx: Transaction, *, product_ids: Sequence[str], now: datetime) -> dict[str, EarningTerms]:
    """Return by product what a sale of it would be split by now; unknown products are left out."""
    plan = find_plan_at(tx, at=now)
    found = catalog.find_product_rates(tx, product_ids=product_ids)
    return {product_id: EarningTerms(plan, rates) for product_id, rates in found.items()}


def get_plan_version(tx: Transaction, *, name: str, version: int) -> Plan:
    """Return a version that exists: the one an order was placed under."""
    return _plan(tx.execute(_VERSION, {"name": name, "version": version}).one())


def replace_plan(
    tx: Transaction,
    *,
    levels_max: int,
    rates_bps: Sequence[int],
    holding_days: int,
    base: str,
    self_purchase: bool,
    lock_days: int,
    attribution: str,
    order_cap_bps: int | None,
    name: str = DEFAULT_PLAN,
    now: datetime,
) -> Plan:
    """Put a new version of a plan in force for orders placed from `now` on; earlier orders keep theirs.

    Raises TooManyLevels, RatesTooHigh.
    """
    if not 1 <= levels_max <= LEVELS_CEILING:
        raise TooManyLevels(fields={"levels_max": [f"Must be 1 to {LEVELS_CEILING}."]})
    rates = check_rates(rates_bps, field="rates_bps")
    tx.execute(text("LOCK TABLE plans IN SHARE ROW EXCLUSIVE MODE"))
    current = get_plan(tx, name=name)
    plan = Plan(
        name, current.version + 1, max(now, current.valid_from), levels_max, rates, holding_days, lock_days,
        attribution, base, self_purchase, order_cap_bps,
    )  # fmt: skip
    tx.execute(_ADD, {column: getattr(plan, column) for column in _NAMES} | {"rates_bps": list(rates)})
    return plan


@cache
def _make_at_and(condition: str) -> TextClause:
    return text(_AT.text.replace(" FROM plans", f", {condition} AS holds FROM plans", 1))


def _plan(row: Row[Any]) -> Plan:
    return _plan_of(row._asdict().items())


def _plan_of(columns: Iterable[tuple[str, Any]]) -> Plan:
    values = dict(columns)
    first, second, third = values["rates_bps"]
    return Plan(**(values | {"rates_bps": (first, second, third)}))
