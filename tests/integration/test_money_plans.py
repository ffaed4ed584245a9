"""Plan versions: old orders keep theirs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from tests.property.money_shop import START, MoneyShop, open_money_database, wipe
from tuike import commission, wallet
from tuike.db import Database
from tuike.embedded import PostgresServer

TERMS = {
    "levels_max": 3, "rates_bps": [500, 400, 300], "holding_days": 3, "base": "paid", "self_purchase": True,
    "lock_days": 9, "attribution": "first", "order_cap_bps": 1_100,
}  # fmt: skip


@pytest.fixture(scope="module")
def money_database(postgres: PostgresServer) -> Iterator[Database]:
    with open_money_database(postgres, "money_plans") as database:
        yield database


@pytest.fixture
def shop(money_database: Database) -> MoneyShop:
    wipe(money_database)
    return MoneyShop(money_database)


def replace(shop, **changes):
    with shop.db.transaction() as tx:
        return commission.replace_plan(tx, **(TERMS | changes), now=shop.now)


def find(shop, at):
    with shop.db.transaction() as tx:
        return commission.find_plan_at(tx, at=at)


def test_the_first_plan_is_the_documented_default(shop):
    with shop.db.transaction() as tx:
        plan = commission.get_plan(tx)
    assert (plan.version, plan.levels_max, plan.rates_bps) == (1, 2, (1000, 300, 0))
    assert (plan.holding_days, plan.lock_days, plan.attribution) == (7, 30, "last")
    assert (plan.self_purchase, plan.order_cap_bps) == (False, None)


def test_the_version_in_force_at_an_instant_answers_and_the_first_for_earlier_ones(shop):
    replace(shop)
    shop.wind(days=1)
    replace(shop, rates_bps=[1])
    microsecond = timedelta(microseconds=1)
    instants = [datetime(1, 1, 1, tzinfo=UTC), START - microsecond, START, shop.now - microsecond, shop.now,
                datetime(9999, 1, 1, tzinfo=UTC)]  # fmt: skip
    assert [find(shop, at).version for at in instants] == [1, 1, 2, 2, 3, 3]


def test_a_replacement_replaces_the_whole_and_pads_its_rates(shop):
    replace(shop)
    plan = replace(shop, rates_bps=[100], order_cap_bps=None, levels_max=1)
    assert (plan.version, plan.rates_bps, plan.order_cap_bps, plan.levels_max) == (3, (100, 0, 0), None, 1)
    assert find(shop, shop.now) == plan


def test_a_clock_that_went_back_does_not_put_versions_out_of_order(shop):
    second = replace(shop)
    shop.wind(hours=-1)
    third = replace(shop)
    assert third.valid_from == second.valid_from
    assert find(shop, START).version == 3


@pytest.mark.parametrize("levels", [0, 4, -1])
def test_a_plan_pays_one_to_three_levels(shop, levels):
    with pytest.raises(commission.TooManyLevels):
        replace(shop, levels_max=levels)
    with pytest.raises(commission.TooManyLevels):
        replace(shop, rates_bps=[1, 1, 1, 1])


def test_the_database_refuses_a_plan_of_four_levels_too(shop):
    with pytest.raises(IntegrityError):
        shop.run_sql("UPDATE plans SET levels_max = 4")


def test_two_replacements_at_the_same_time_make_two_versions(shop):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda _: replace(shop), range(4)))
    assert sorted(plan.version for plan in plans) == [2, 3, 4, 5]


def test_a_version_can_be_had_by_its_number(shop):
    second = replace(shop)
    replace(shop)
    with shop.db.transaction() as tx:
        assert commission.get_plan_version(tx, name="default", version=2) == second


def test_a_placed_order_keeps_its_rates_and_its_holding_days_when_the_plan_changes(shop):
    order = shop.place(shop.make_promoters(2))
    replace(shop, rates_bps=[1, 1, 1], holding_days=99)
    shop.pay(order)
    shop.receive(order)
    shop.drain()
    first, second, third = shop.list_commissions(order)
    assert (first.amount_minor, second.amount_minor, third.amount_minor) == (100, 30, 0)
    assert first.due_at == shop.now + timedelta(days=7)


def test_a_withdrawal_keeps_the_fee_it_was_asked_for_under(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 1000)
    terms = {"minimum_minor": 100, "daily_limit_minor": None, "review_above_minor": 400}
    with shop.db.transaction() as tx:
        wallet.replace_policy(tx, **terms, fee_bps=100, now=shop.now)
    withdrawal = shop.withdraw(promoter, 500)
    assert (withdrawal.fee_minor, withdrawal.needs_review) == (5, True)
    with shop.db.transaction() as tx:
        assert wallet.replace_policy(tx, **terms, fee_bps=9_000, now=shop.now).version == 3
    assert shop.decide(withdrawal, "approve", "paid").fee_minor == 5
    assert shop.holds(promoter) == {"available": 500, "withdrawn": 500}
    assert shop.check().ok
