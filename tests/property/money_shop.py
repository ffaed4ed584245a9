"""A shop without a graph: who stands above whom is said with each order instead of looked up."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import psycopg
from sqlalchemy import text

from tuike import commission, orders, wallet
from tuike.commission import ChainLink, LineTerms, Plan
from tuike.db import Database, outbox
from tuike.embedded import PostgresServer
from tuike.orders import Attribution, AttributionReason, Line, LineInput, NewOrder, Order, OrderStatus, RefundLine
from tuike.shared import ids

START = datetime(2026, 3, 1, 4, tzinfo=UTC)

REACTIONS = {
    "order.paid": lambda tx, keys, now: commission.accrue_for_orders(tx, order_ids=keys, now=now),
    "order.received": lambda tx, keys, _: commission.start_holding(tx, order_ids=keys),
    "order.refunded": lambda tx, keys, now: commission.reverse_for_orders(tx, order_ids=keys, now=now),
}


def make_order(lines: Sequence[tuple[int, int, str]], *, shipping: int = 0) -> Order:
    """A paid order in memory, of lines (amount, refunded, sku)."""
    made = tuple(Line(no, sku, 1, amount, refunded, None, None) for no, (amount, refunded, sku) in enumerate(lines))
    return Order(
        id="ord_1", external_id="1", buyer_id="b", merchant_id="main", currency="CNY", status=OrderStatus.PAID,
        goods_minor=sum(line.amount_minor for line in made), shipping_minor=shipping,
        refunded_minor=sum(line.refunded_minor for line in made), refunded_shipping_minor=0, touch_id=None,
        visitor_id=None, plan_name="default", plan_version=1,
        attribution=Attribution(None, "last", AttributionReason.NO_VALID_TOUCH), payment_id="p", placed_at=START,
        paid_at=START, received_at=None, lines=made,
    )  # fmt: skip


def make_plan(
    *, rates: tuple[int, int, int] = (1000, 300, 100), levels: int = 3, cap: int | None = None, holding_days: int = 7
) -> Plan:
    """A plan in memory; orders keep its terms, and version 1 of the database as their plan."""
    return Plan("default", 1, START, levels, rates, holding_days, 30, "last", "paid", False, cap)


@contextmanager
def open_money_database(postgres: PostgresServer, name: str) -> Iterator[Database]:
    """A migrated database for many tests that empty it with `wipe`: much quicker than one for each."""
    with psycopg.connect(postgres.make_url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE tuike_template")
    database = Database(postgres.make_url(name))
    yield database
    database.close()


def wipe(database: Database) -> None:
    """Forget every order, all money, and every plan and policy but the first."""
    with database.transaction() as tx:
        for statement in _WIPE:
            tx.execute(text(statement))


_WIPE = (
    "SET LOCAL session_replication_role = replica",
    """TRUNCATE outbox, orders, order_lines, refunds, commission_splits, commission_entries, withdrawals,
       ledger_accounts, ledger_transactions, ledger_postings, ledger_seals, ledger_seal_marks
       RESTART IDENTITY CASCADE""",  # what a shop keeps about its orders goes with them
    "DELETE FROM plans WHERE version > 1",
    "DELETE FROM withdrawal_policies WHERE version > 1",
)


class MoneyShop:
    """Places orders and moves their money through the public verbs, with a clock that only this shop winds."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.now = START
        self._numbers = count(1)

    def wind(self, **delta: float) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)

    def make_promoters(self, number: int) -> list[str]:
        """Create active promoters."""
        made = [ids.new_id("promoter") for _ in range(number)]
        with self.db.transaction() as tx:
            tx.execute(
                text(
                    "INSERT INTO promoters (id, external_id, name, invite_code, status, joined_at)"
                    " SELECT id, id, 'x', id, 'active', :now FROM unnest(CAST(:ids AS text[])) id"
                ),
                {"ids": made, "now": self.now},
            )
        return made

    def place(
        self,
        chain: Sequence[str] = (),
        *,
        lines: Sequence[int | tuple[int, tuple[int, ...]] | tuple[int, tuple[int, ...], str]] = (1000,),
        shipping: int = 0,
        currency: str = "CNY",
        plan: Plan | None = None,
        merchant: str = "main",
    ) -> Order:
        """Place an order of lines given as amount, (amount, rates) or (amount, rates, sku)."""
        plan = plan or make_plan()
        terms = [line if isinstance(line, tuple) else (line,) for line in lines]
        inputs = tuple(
            LineInput(term[2] if len(term) > 2 else f"sku-{no}", 1, term[0], None, term[1] if len(term) > 1 else None)
            for no, term in enumerate(terms)
        )
        orders.check_lines(inputs, shipping)
        attribution = (
            Attribution(chain[0], "last", AttributionReason.LAST_TOUCH)
            if chain
            else Attribution(None, "last", AttributionReason.NO_VALID_TOUCH)
        )
        new = NewOrder(
            ids.new_id("order"), f"ext-{next(self._numbers)}", "buyer", merchant, currency, shipping, None, None,
            "default", 1, attribution, self.now, inputs,
        )  # fmt: skip
        with self.db.transaction() as tx:
            order = orders.add_order(tx, new, now=self.now)
            split = commission.decide_split(
                order_id=order.id, merchant_id=merchant, currency=currency, plan=plan,
                lines=[LineTerms(line.no, line.amount_minor, line.rates_bps) for line in order.lines],
                chain=[ChainLink(one, is_active=True, is_buyer=False) for one in chain],
            )  # fmt: skip
            commission.add_split(tx, split)
        return order

    def pay(self, order: Order, *, payment_id: str | None = None, amount: int | None = None) -> Order:
        """Pay an order, in full and under its own payment id unless said otherwise."""
        with self.db.transaction() as tx:
            return orders.record_payment(
                tx, order_id=order.id, payment_id=payment_id or f"pay-{order.external_id}", paid_at=self.now,
                amount_minor=order.total_minor if amount is None else amount, now=self.now,
            )  # fmt: skip

    def receive(self, order: Order, *, at: datetime | None = None) -> Order:
        """Say that an order arrived."""
        with self.db.transaction() as tx:
            return orders.record_receipt(tx, order_id=order.id, received_at=at or self.now, now=self.now)

    def refund(
        self,
        order: Order,
        amount: int | None = None,
        *,
        lines: Sequence[tuple[str, int]] | None = None,
        refund_id: str | None = None,
        at: datetime | None = None,
    ) -> tuple[orders.Refund, bool]:
        """Refund an order by amount or by lines (sku, amount)."""
        with self.db.transaction() as tx:
            return orders.record_refund(
                tx, order_id=order.id, refund_id=refund_id or f"refund-{next(self._numbers)}",
                refunded_at=at or self.now, amount_minor=amount,
                lines=None if lines is None else [RefundLine(sku, 1, part) for sku, part in lines], now=self.now,
            )  # fmt: skip

    def drain(self, *topics: str, limit: int = 500) -> int:
        """Work off the outbox, topic by topic; return how many events were done."""
        done = 0
        for topic in topics or tuple(REACTIONS):
            while True:
                with self.db.transaction() as tx:
                    events = outbox.claim(tx, topic=topic, limit=limit, now=self.now)
                    if events:
                        REACTIONS[topic](tx, list(dict.fromkeys(event.key for event in events)), self.now)
                done += len(events)
                if len(events) < limit:
                    break
        return done

    def release(self) -> commission.Released:
        """Release what is due now."""
        return commission.release_due(self.db, now=self.now)

    def earn(self, promoter: str, amount: int, *, currency: str = "CNY") -> Order:
        """Let a promoter have `amount` more available, through an order of its own."""
        order = self.place([promoter], lines=[(amount, (10_000,))], currency=currency, plan=make_plan(holding_days=0))
        self.pay(order)
        self.receive(order)
        self.drain()
        self.release()
        return order

    def withdraw(self, promoter: str, amount: int, *, currency: str = "CNY") -> wallet.Withdrawal:
        """Ask for a payout."""
        with self.db.transaction() as tx:
            return wallet.request_withdrawal(
                tx, promoter_id=promoter, amount_minor=amount, currency=currency, method="manual", now=self.now
            )

    def decide(self, withdrawal: wallet.Withdrawal, *verbs: str) -> wallet.Withdrawal:
        """Apply approve, reject, paid or failed to a withdrawal, one after the other."""
        actions = {
            "approve": wallet.approve_withdrawal, "reject": wallet.reject_withdrawal, "paid": wallet.mark_paid,
            "failed": wallet.mark_failed,
        }  # fmt: skip
        for verb in verbs:
            with self.db.transaction() as tx:
                withdrawal = actions[verb](tx, withdrawal_id=withdrawal.id, now=self.now)
        return withdrawal

    def hold(self, order: Order, level: int = 1) -> commission.Commission:
        """Freeze one level's commission."""
        with self.db.transaction() as tx:
            commission_id = _commission_id(order, level)
            return commission.hold_commission(tx, commission_id=commission_id, reason="risk", now=self.now)

    def lift(self, order: Order, level: int = 1) -> commission.Commission:
        """Let one level's commission go on."""
        with self.db.transaction() as tx:
            return commission.lift_hold(tx, commission_id=_commission_id(order, level), now=self.now)

    def list_commissions(self, order: Order) -> list[commission.Commission]:
        """The three levels of an order."""
        with self.db.transaction() as tx:
            return commission.list_commissions(tx, order_id=order.id)

    def get_order(self, order: Order) -> Order:
        """An order as it is now."""
        with self.db.transaction() as tx:
            return orders.get_order(tx, order_id=order.id)

    def get_wallet(self, promoter: str, currency: str = "CNY") -> wallet.Wallet:
        """A promoter's wallet."""
        with self.db.transaction() as tx:
            return wallet.get_wallet(tx, promoter_id=promoter, currency=currency)

    def holds(self, promoter: str, currency: str = "CNY") -> dict[str, int]:
        """What is not 0 of a wallet, by name without its unit."""
        seen = self.get_wallet(promoter, currency)
        names = ("pending", "frozen", "available", "withdrawing", "withdrawn", "debt")
        return {name: amount for name in names if (amount := getattr(seen, f"{name}_minor"))}

    def seal(self, times: int = 2) -> None:
        """Seal what was posted; what one call notes the next one seals."""
        for _ in range(times):
            with self.db.transaction() as tx:
                wallet.seal_transactions(tx, now=self.now)

    def check(self) -> wallet.LedgerCheck:
        """Prove the ledger."""
        with self.db.transaction() as tx:
            return wallet.check_ledger(tx)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.db.transaction() as tx:
            return int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    def run_sql(self, *statements: str) -> None:
        """Run statements as a superuser who goes around the application."""
        with self.db.transaction() as tx:
            for statement in statements:
                tx.execute(text(statement))


def _commission_id(order: Order, level: int) -> str:
    return f"com_{order.id.removeprefix('ord_')}_{level}"


__all__ = ["REACTIONS", "START", "MoneyShop", "make_order", "make_plan", "open_money_database", "wipe"]
