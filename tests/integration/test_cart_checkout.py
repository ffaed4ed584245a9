"""Checking out: what was quoted is what is placed, once, however many devices, coupons and buyers meet."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.catalogue import to_draft
from tests.integration.shop import Shop
from tuike import cart, catalog, checkout, fulfilment, offers
from tuike.cart import AddressDraft
from tuike.checkout import Quote, Wanted
from tuike.db import Database
from tuike.fulfilment import ShopOrder
from tuike.graph import Graph
from tuike.shared.errors import TuikeError, ValidationFailed

HOME = AddressDraft("李雷", "13800001234", "440305", "广东省深圳市南山区", "科技园 1 号")


class Checkout(Shop):
    """A shop whose orders come out of carts."""

    def __init__(self, db: Database, graph: Graph) -> None:
        super().__init__(db)
        self.graph = graph

    def move_in(self, shopper: str = "usr_a", **fields: Any) -> str:
        draft = AddressDraft(**{name: getattr(HOME, name) for name in AddressDraft.__slots__} | fields)
        return str(self.do(cart.add_address, shopper_id=shopper, draft=draft, now=self.now).id)

    def put(self, sku: str, quantity: int = 1, *, shopper: str = "usr_a", **named: Any) -> cart.Cart:
        found: cart.Cart = self.do(
            cart.add_to_cart, shopper_id=shopper, sku_id=sku, quantity=quantity, now=self.now, **named
        )
        return found

    def quote(self, wanted: Wanted | None = None, *, shopper: str = "usr_a") -> Quote:
        found: Quote = self.do(checkout.quote_cart, shopper_id=shopper, wanted=wanted or Wanted(), now=self.now)
        return found

    def check_out(self, quote: Quote, wanted: Wanted | None = None, *, shopper: str = "usr_a") -> ShopOrder:
        with self.db.transaction() as tx:
            return checkout.place_cart(
                tx, self.graph, shopper_id=shopper, wanted=wanted or Wanted(), fingerprint=quote.fingerprint,
                now=self.now,
            )  # fmt: skip


@pytest.fixture
def shop(postgres: object, database_url: str, embedded_graph: Graph) -> Iterator[Checkout]:
    database = Database(database_url, pool_size=40)
    yield Checkout(database, embedded_graph)
    database.close()


def test_a_cart_becomes_one_order_of_what_was_quoted(shop):
    first, second = shop.make_sku(price=1999, stock=5), shop.make_sku(price=501, stock=5)
    shop.move_in()
    shop.put(first, 2)
    shop.put(second)
    shop.put(second)
    coupon = shop.make_coupon(kind=offers.CouponKind.PERCENTAGE, off_bps=1000, cap_minor=333)
    quote = shop.quote(Wanted(coupon_id=coupon.id))
    assert (quote.goods_minor, quote.discount_minor, quote.payable_minor) == (5000, 333, 4667)
    order = shop.check_out(quote, Wanted(coupon_id=coupon.id))
    assert (order.payable_minor, [line.amount_minor for line in order.lines]) == (
        4667, [line.amount_minor for line in quote.lines],
    )  # fmt: skip
    facts = shop.get_facts(order)
    assert (facts.buyer_id, facts.total_minor, facts.external_id) == ("usr_a", 4667, f"shop-{order.no}")
    assert shop.do(cart.read_cart, shopper_id="usr_a").lines == ()
    assert shop.stock_of(first) == (3, 2, 0)
    with pytest.raises(cart.CartEmpty):
        shop.quote()


def test_what_is_not_chosen_stays_in_the_cart(shop):
    bought, left = shop.make_sku(), shop.make_sku()
    shop.move_in()
    shop.put(bought)
    shop.put(left)
    shop.do(cart.change_line, shopper_id="usr_a", sku_id=left, is_chosen=False)
    order = shop.check_out(shop.quote())
    assert [line.sku_id for line in order.lines] == [bought]
    assert [line.sku_id for line in shop.do(cart.read_cart, shopper_id="usr_a").lines] == [left]


def test_two_devices_checking_out_one_cart_place_exactly_one_order(shop):
    sku = shop.make_sku(stock=50)
    shop.move_in()
    shop.put(sku)
    quote = shop.quote()
    results = race(8, lambda _: shop.check_out(quote))
    assert Counter(type(one).__name__ for one in results) == {"ShopOrder": 1, "CartEmpty": 7}
    assert shop.stock_of(sku) == (49, 1, 0)


def test_one_coupon_used_twice_at_once_is_held_by_one_order(shop):
    sku = shop.make_sku(stock=50)
    shop.move_in()
    coupon = shop.make_coupon()
    wanted = Wanted(pieces=((sku, 1),), coupon_id=coupon.id)
    quote = shop.quote(wanted)
    results = race(8, lambda _: shop.check_out(quote, wanted))
    assert Counter(type(one).__name__ for one in results) == {"ShopOrder": 1, "CouponTaken": 7}
    (order,) = [one for one in results if isinstance(one, ShopOrder)]
    shop.do(fulfilment.close_unpaid, order_id=order.id, reason="expired", now=shop.now)
    again = shop.check_out(shop.quote(wanted), wanted)
    assert shop.pay(again) == "recorded"
    used = shop.do(offers.get_coupon, coupon_id=coupon.id, shopper_id="usr_a")
    assert (used.state, used.order_id) == ("used", again.id)
    with pytest.raises(offers.CouponTaken):
        shop.quote(wanted)


def test_a_price_changed_while_in_the_cart_is_shown_before_anything_is_placed(shop):
    product = shop.make_product(price=1000)
    sku = product.skus[0].id
    shop.move_in()
    shop.put(sku)
    quote = shop.quote()
    dearer = to_draft(product, skus=(catalog.SkuDraft(**{
        name: getattr(to_draft(product).skus[0], name) for name in catalog.SkuDraft.__slots__
    } | {"price_minor": 1200}),))  # fmt: skip
    shop.do(catalog.edit_product, product_id=product.id, draft=dearer, version=1, made_by="s", now=shop.now)
    with pytest.raises(checkout.QuoteChanged) as refused:
        shop.check_out(quote)
    now = refused.value.quote
    assert (now.payable_minor, now.lines[0].price_seen_minor) == (1200, 1000)
    assert shop.do(cart.read_cart, shopper_id="usr_a").lines != ()
    assert shop.check_out(now).payable_minor == 1200


def test_stock_gone_since_the_quote_is_shown_before_anything_is_placed(shop):
    sku = shop.make_sku(stock=1)
    shop.move_in()
    shop.put(sku)
    quote = shop.quote()
    shop.make_paid((sku, 1), shopper="usr_b")
    with pytest.raises(checkout.QuoteChanged) as refused:
        shop.check_out(quote)
    assert [line.problem for line in refused.value.quote.lines] == ["out_of_stock"]
    assert not refused.value.quote.can_be_placed
    with pytest.raises(checkout.QuoteChanged):
        shop.check_out(refused.value.quote)


def test_another_shoppers_address_and_coupon_are_none(shop):
    sku = shop.make_sku()
    theirs, coupon = shop.move_in("usr_b"), shop.make_coupon("usr_b")
    shop.move_in()
    with pytest.raises(cart.AddressNotFound):
        shop.quote(Wanted(pieces=((sku, 1),), address_id=theirs))
    with pytest.raises(offers.CouponNotFound):
        shop.quote(Wanted(pieces=((sku, 1),), coupon_id=coupon.id))
    for verb in (cart.delete_address, cart.get_address):
        with pytest.raises(cart.AddressNotFound):
            shop.do(verb, address_id=theirs, shopper_id="usr_a")


def test_without_an_address_there_is_a_quote_and_no_order(shop):
    wanted = Wanted(pieces=((shop.make_sku(), 1),))
    quote = shop.quote(wanted)
    assert (quote.address_id, quote.can_be_placed) == (None, False)
    with pytest.raises(ValidationFailed):
        shop.check_out(quote, wanted)


def test_freight_follows_the_region(shop):
    zones = [
        offers.Zone(("44",), 1, 500, 1, 100, free_from_minor=5000),
        offers.Zone(("65", "54"), 1, 0, 1, 0, is_excluded=True),
        offers.Zone((), 1, 1000, 1, 200),
    ]
    for version in (0, 1):
        shop.do(
            offers.save_freight_rule, merchant_id="main", unit=offers.FreightUnit.PIECE, zones=zones, version=version,
            changed_by="s", now=shop.now,
        )  # fmt: skip
    with pytest.raises(catalog.EditConflict):
        shop.do(
            offers.save_freight_rule, merchant_id="main", unit=offers.FreightUnit.PIECE, zones=zones, version=1,
            changed_by="s", now=shop.now,
        )  # fmt: skip
    sku = shop.make_sku(price=1000)
    near, far, nowhere = shop.move_in(), shop.move_in(region_code="110101"), shop.move_in(region_code="650102")
    freights = [
        shop.quote(Wanted(((sku, n),), address)).freight_minor for n, address in [(3, near), (5, near), (3, far)]
    ]
    assert freights == [700, 0, 1400]
    with pytest.raises(offers.NotDeliverable):
        shop.quote(Wanted(((sku, 1),), nowhere))


def test_a_newcomers_coupon_is_for_a_first_order(shop):
    sku = shop.make_sku()
    shop.move_in()
    first, second = shop.make_coupon(newcomers_only=True), shop.make_coupon(newcomers_only=True)
    wanted = Wanted(((sku, 1),), coupon_id=first.id)
    shop.check_out(shop.quote(wanted), wanted)
    with pytest.raises(offers.CouponNotUsable):
        shop.quote(Wanted(((sku, 1),), coupon_id=second.id))


def test_no_more_coupons_are_claimed_than_there_are_nor_by_one_person_than_may(shop):
    template = shop.make_template(stock=5, per_person=2)

    def claim(no: int) -> object:
        return shop.do(offers.claim_coupon, template_id=template.id, shopper_id=f"usr_{no % 4}", now=shop.now)

    results = race(32, claim)
    names = Counter(type(one).__name__ for one in results)
    assert names["Coupon"] == 5
    assert set(names) <= {"Coupon", "CouponSoldOut", "CouponLimitReached"}
    per_person = Counter(one.shopper_id for one in results if isinstance(one, offers.Coupon))
    assert max(per_person.values()) <= 2


def test_a_hot_sku_is_sold_to_exactly_as_many_as_there_are_pieces(shop):
    sku = shop.make_sku(stock=100)
    wanted = Wanted(pieces=((sku, 1),))
    buyers = [f"usr_{no}" for no in range(500)]
    quotes = {}
    for buyer in buyers:
        shop.move_in(buyer)
        quotes[buyer] = shop.quote(wanted, shopper=buyer)
    waits = []

    def buy(no: int) -> object:
        started = time.monotonic()
        try:
            return shop.check_out(quotes[buyers[no]], wanted, shopper=buyers[no])
        finally:
            waits.append(time.monotonic() - started)

    results = race(500, buy, at_once=32)
    assert Counter(type(one).__name__ for one in results) == {"ShopOrder": 100, "QuoteChanged": 400}
    assert shop.stock_of(sku) == (0, 100, 0)
    assert max(waits) < 5, max(waits)


def race(number: int, act: Callable[[int], object], *, at_once: int = 16) -> list[object]:
    """Run an action many times at once; a refusal is a result."""

    def attempt(no: int) -> object:
        try:
            return act(no)
        except TuikeError as refused:
            return refused

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(attempt, range(number)))


def test_an_address_book_has_one_default(shop):
    first, second = shop.move_in(), shop.move_in(is_default=True)
    book = shop.do(cart.list_addresses, shopper_id="usr_a")
    assert [(one.id, one.is_default) for one in book] == [(second, True), (first, False)]
    with pytest.raises(ValidationFailed) as refused:
        shop.move_in(phone="none", region_code="44")
    assert set(refused.value.fields) == {"phone", "region_code"}


def test_a_pick_up_order_waits_at_its_point_and_is_handed_over_by_its_code(shop):
    (leader, other) = shop.make_promoters(2)
    point = shop.do(
        fulfilment.create_point, merchant_id="main", promoter_id=leader, name="南门", address="南门 1 号",
        phone="13800000000", now=shop.now,
    )  # fmt: skip
    shop.move_in()
    wanted = Wanted(((shop.make_sku(), 1),), pickup_point_id=point.id)
    order = shop.check_out(shop.quote(wanted), wanted)
    assert shop.pay(order) == "recorded"
    code = shop.get(order).pickup_code
    hand = {"point_id": point.id, "made_by": "leader", "now": shop.now}
    with pytest.raises(fulfilment.WrongState):
        shop.do(fulfilment.hand_over, promoter_id=leader, code=code, **hand)
    shop.ship(order)
    with pytest.raises(fulfilment.PointNotFound):
        shop.do(fulfilment.hand_over, promoter_id=other, code=code, **hand)
    with pytest.raises(fulfilment.PickupCodeUnknown):
        shop.do(fulfilment.hand_over, promoter_id=leader, code="x", **hand)
    assert shop.do(fulfilment.hand_over, promoter_id=leader, code=code, **hand).state == "completed"
    with pytest.raises(fulfilment.PickupCodeUnknown):
        shop.do(fulfilment.hand_over, promoter_id=leader, code=code, **hand)
    assert shop.get(order).completed_at == shop.now
    shop.wind(days=1)
    assert shop.now - timedelta(days=1) == shop.get(order).completed_at
