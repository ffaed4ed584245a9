"""A shop to test with: orders that shoppers placed, over a catalogue, with a clock that only this shop winds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from tests.integration.catalogue import NOW, Catalogue, open_catalogue
from tuike import catalog, commission, fulfilment, offers, orders, wallet
from tuike.catalog import StockLine
from tuike.commission import ChainLink, LineTerms, Plan
from tuike.db import Database, Transaction, outbox
from tuike.embedded import PostgresServer
from tuike.fulfilment import Address, ShopLineDraft, ShopOrder, ShopOrderDraft
from tuike.offers import QuoteLine
from tuike.orders import Attribution, AttributionReason, LineInput, NewOrder
from tuike.shared import ids

HOME = Address("李雷", "13800001234", "440305", "广东省深圳市南山区", "科技园 1 号")
PLAN = Plan("default", 1, NOW, 3, (1000, 300, 100), 7, 30, "last", "paid", False, None)

REACTIONS: dict[str, Callable[[Transaction, Sequence[str], datetime], object]] = {
    "order.paid": lambda tx, keys, now: commission.accrue_for_orders(tx, order_ids=keys, now=now),
    "order.received": lambda tx, keys, _: commission.start_holding(tx, order_ids=keys),
    "order.refunded": lambda tx, keys, now: commission.reverse_for_orders(tx, order_ids=keys, now=now),
}


@contextmanager
def open_shop(postgres: PostgresServer, name: str) -> Iterator["Shop"]:
    """A shop on a migrated database of its own."""
    with open_catalogue(postgres, name) as catalogue:
        yield Shop(catalogue.db)


class Shop(Catalogue):
    """Calls the verbs as shoppers, staff, warehouses and payment providers do; whoever stands above is said."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.now = NOW

    def wind(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def make_sku(self, *, price: int = 1000, stock: int = 10, **fields: Any) -> str:
        return str(self.make_product(price=price, stock=stock, **fields).skus[0].id)

    def place(
        self,
        *pieces: tuple[str, int],
        shopper: str = "usr_a",
        chain: Sequence[str] = (),
        coupon: offers.Coupon | None = None,
        freight: int = 0,
        point: str | None = None,
        reserve: bool = True,
    ) -> ShopOrder:
        """Place an order as a checkout does, with the people above said instead of looked up."""
        with self.db.transaction() as tx:
            found = catalog.list_offers(tx, sku_ids=[sku for sku, _ in pieces])
            lines = [
                QuoteLine(sku, found[sku].product_id, (), found[sku].price_minor, quantity, 0)
                for sku, quantity in pieces
            ]
            sums = offers.decide_sums(
                lines, coupon=None if coupon is None else coupon.template.draft, rule=None, region=None
            )
            no = fulfilment.next_number(tx, now=self.now)
            order = self._record(tx, lines, sums.amounts, no, shopper, chain, freight)
            draft = ShopOrderDraft(
                id=order.id, no=no, shopper_id=shopper, merchant_id="main", currency="CNY", address=HOME,
                pickup_point_id=point, note="", goods_minor=sums.goods_minor, discount_minor=sums.discount_minor,
                freight_minor=freight, coupon_id=None if coupon is None else coupon.id,
                lines=tuple(
                    ShopLineDraft(x.sku_id, x.product_id, found[x.sku_id].code, found[x.sku_id].name,
                                  found[x.sku_id].spec, None, x.price_minor, x.quantity, amount)
                    for x, amount in zip(lines, sums.amounts, strict=True)
                ),
            )  # fmt: skip
            if coupon is not None:
                offers.hold_coupon(
                    tx, coupon_id=coupon.id, shopper_id=shopper, order_id=order.id, merchant_id="main", currency="CNY",
                    is_newcomer=True, now=self.now,
                )  # fmt: skip
            placed = fulfilment.add_order(tx, draft, now=self.now)
            if reserve:
                catalog.reserve_stock(
                    tx, order_id=order.id, buyer_id=shopper, lines=[StockLine(*one) for one in pieces],
                    expires_at=placed.expires_at + fulfilment.STOCK_GRACE, now=self.now,
                )  # fmt: skip
            return placed

    def _record(
        self,
        tx: Transaction,
        lines: Sequence[QuoteLine],
        amounts: Sequence[int],
        no: str,
        shopper: str,
        chain: Sequence[str],
        freight: int,
    ) -> orders.Order:
        credited = Attribution(chain[0], "last", AttributionReason.LAST_TOUCH) if chain else None
        new = NewOrder(
            ids.new_id("order"), f"shop-{no}", shopper, "main", "CNY", freight, None, None, "default", 1,
            credited or Attribution(None, "last", AttributionReason.NO_VALID_TOUCH), self.now,
            tuple(LineInput(x.sku_id, x.quantity, amount) for x, amount in zip(lines, amounts, strict=True)),
        )  # fmt: skip
        order = orders.add_order(tx, new, now=self.now)
        split = commission.decide_split(
            order_id=order.id, merchant_id="main", currency="CNY", plan=PLAN,
            lines=[LineTerms(line.no, line.amount_minor, None) for line in order.lines],
            chain=[ChainLink(one, is_active=True, is_buyer=False) for one in chain],
        )  # fmt: skip
        commission.add_split(tx, split)
        return order

    def pay(self, order: ShopOrder, *, payment: str | None = None, amount: int | None = None) -> str:
        return str(
            self.do(
                fulfilment.mark_paid, order_id=order.id, payment_id=payment or f"pay-{order.no}", paid_at=self.now,
                amount_minor=order.payable_minor if amount is None else amount, now=self.now,
            )
        )  # fmt: skip

    def make_paid(self, *pieces: tuple[str, int], **named: Any) -> ShopOrder:
        order = self.place(*pieces, **named)
        assert self.pay(order) == "recorded"
        return self.get(order)

    def ship(self, order: ShopOrder, *pieces: tuple[int, int], tracking: str | None = None) -> fulfilment.Parcel:
        """Ship pieces given as (line number, quantity), or everything left."""
        parcel: fulfilment.Parcel = self.do(
            fulfilment.ship_parcel, order_id=order.id, carrier="SF", tracking_no=tracking or f"SF{self.number()}",
            lines=[fulfilment.Pieces(*one) for one in pieces] or None, shipped_by="staff", now=self.now,
        )  # fmt: skip
        return parcel

    def receive(self, order: ShopOrder) -> ShopOrder:
        received: ShopOrder = self.do(
            fulfilment.receive_order, order_id=order.id, shopper_id=order.shopper_id, made_by=order.shopper_id,
            now=self.now,
        )  # fmt: skip
        return received

    def ask(
        self, order: ShopOrder, *claims: tuple[int, int] | tuple[int, int, int | None], kind: str = "refund_only"
    ) -> fulfilment.Case:
        """Open a case for lines given as (line number, quantity) or (line number, quantity, amount)."""
        case: fulfilment.Case = self.do(
            fulfilment.open_case, order_id=order.id, shopper_id=order.shopper_id, kind=fulfilment.CaseKind(kind),
            claims=[fulfilment.Claim(*one) for one in claims], reason="changed_mind", made_by=order.shopper_id,
            now=self.now,
        )  # fmt: skip
        return case

    def approve(self, case: fulfilment.Case, **named: Any) -> fulfilment.Case:
        approved: fulfilment.Case = self.do(
            fulfilment.approve_case, case_id=case.id, decided_by="staff", now=self.now, **named
        )
        return approved

    def refund_due(self) -> list[fulfilment.ShopRefund]:
        """Do what the provider does: every refund that is due succeeds."""
        due = self.do(fulfilment.list_refunds_due, limit=500)
        return [self.do(fulfilment.mark_refunded, refund_id=one.id, refunded_at=self.now, now=self.now) for one in due]

    def get(self, order: ShopOrder) -> ShopOrder:
        found: ShopOrder = self.do(fulfilment.get_order, order_id=order.id)
        return found

    def get_facts(self, order: ShopOrder) -> orders.Order:
        found: orders.Order = self.do(orders.get_order, order_id=order.id)
        return found

    def make_coupon(self, shopper: str = "usr_a", **fields: Any) -> offers.Coupon:
        """Make a template of its own and claim one coupon of it."""
        template = self.make_template(**fields)
        coupon: offers.Coupon = self.do(offers.claim_coupon, template_id=template.id, shopper_id=shopper, now=self.now)
        return coupon

    def make_template(self, **fields: Any) -> offers.Template:
        named: dict[str, Any] = {
            "name": "满减", "kind": offers.CouponKind.FIXED, "stock": 1000, "claim_from": NOW - timedelta(days=1),
            "claim_to": NOW + timedelta(days=999), "valid_from": NOW - timedelta(days=1),
            "valid_to": NOW + timedelta(days=999),
        }  # fmt: skip
        named |= {} if "off_bps" in fields else {"amount_minor": 500}
        template: offers.Template = self.do(
            offers.create_template, draft=offers.TemplateDraft(**(named | fields)), now=NOW
        )
        return template

    def make_promoters(self, number: int) -> list[str]:
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

    def settle(self) -> None:
        """Do what the workers do with the money of orders."""
        for topic, react in REACTIONS.items():
            with self.db.transaction() as tx:
                events = outbox.claim(tx, topic=topic, limit=5000, now=self.now)
                if events:
                    react(tx, list(dict.fromkeys(event.key for event in events)), self.now)

    def check_ledger(self) -> None:
        with self.db.transaction() as tx:
            check = wallet.check_ledger(tx)
        assert check.ok, check.breaks
