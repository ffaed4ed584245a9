"""Checking out a cart, or goods that are bought at once: a quote, and the order that keeps its word."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuike import cart, catalog, fulfilment, offers
from tuike.cart import CartEmpty, CartMixed, SavedAddress
from tuike.catalog import Offer, StockLine
from tuike.checkout.model import Quote, QuoteChanged, QuotedLine, Wanted
from tuike.checkout.service.placing import place_order
from tuike.db import Transaction
from tuike.fulfilment import Address, PickupPoint, ShopLineDraft, ShopOrder, ShopOrderDraft
from tuike.graph import Graph
from tuike.offers import QuoteLine, Sums
from tuike.orders import LineInput, Order
from tuike.shared.errors import ValidationFailed

MAX_LINES = 100


@dataclass(frozen=True, slots=True)
class _Basket:
    """What is checked out: pieces by SKU, the prices seen, and the share that led there."""

    pieces: Mapping[str, int]
    seen: Mapping[str, int]
    touch_id: str | None
    visitor_id: str | None
    is_cart: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """A quote with what it was made of: the goods, and where they go."""

    quote: Quote
    offers: Mapping[str, Offer]
    address: SavedAddress | None


def quote_cart(tx: Transaction, *, shopper_id: str, wanted: Wanted, now: datetime) -> Quote:
    """Return what a checkout costs now; nothing is reserved. Lines that cannot be had say why.

    Raises CartEmpty, CartMixed, AddressNotFound, PointNotFound, CouponNotFound, CouponTaken, CouponNotUsable,
    NotDeliverable, ValidationFailed.
    """
    basket = _fill(cart.read_cart(tx, shopper_id=shopper_id), wanted)
    return _look_up(tx, shopper_id, wanted, basket, now=now).quote


def place_cart(
    tx: Transaction, graph: Graph, *, shopper_id: str, wanted: Wanted, fingerprint: str, now: datetime
) -> ShopOrder:
    """Place the order that was quoted: its pieces and its coupon are held until it is paid or closed.

    Of two devices that check out one cart at once, one places it and the other finds the cart empty. When anything is
    not as quoted, nothing is done and QuoteChanged brings the new quote.

    Raises what `quote_cart` does, QuoteChanged, LimitExceeded.
    """
    there = cart.lock_cart(tx, shopper_id=shopper_id)
    basket = _fill(there, wanted)
    found = _look_up(tx, shopper_id, wanted, basket, now=now)
    quote = found.quote
    if found.address is None:
        raise ValidationFailed(fields={"address_id": ["Say where it goes."]})
    if quote.fingerprint != fingerprint or not quote.can_be_placed:
        raise QuoteChanged(quote)
    is_newcomer = quote.coupon_id is not None and not fulfilment.has_bought(tx, shopper_id=shopper_id)
    no = fulfilment.next_number(tx, now=now)
    order = _record(tx, graph, found, basket, shopper_id, no, now=now)
    placed = fulfilment.add_order(tx, _draft(order, no, quote, found.address, wanted), now=now)
    if quote.coupon_id is not None:
        offers.hold_coupon(
            tx, coupon_id=quote.coupon_id, shopper_id=shopper_id, order_id=order.id, merchant_id=quote.merchant_id,
            currency=quote.currency, is_newcomer=is_newcomer, now=now,
        )  # fmt: skip
    if basket.is_cart:
        cart.check_out_lines(tx, shopper_id=shopper_id, sku_ids=list(basket.pieces))
    try:
        with tx.begin_nested():
            catalog.reserve_stock(
                tx, order_id=order.id, buyer_id=shopper_id,
                lines=[StockLine(line.sku_id, line.quantity) for line in quote.lines],
                expires_at=placed.expires_at + fulfilment.STOCK_GRACE, now=now,
            )  # fmt: skip
    except (catalog.OutOfStock, catalog.NotOnSale, catalog.SkuNotFound) as refused:
        free = Wanted(tuple(basket.pieces.items()), wanted.address_id, wanted.pickup_point_id)
        raise QuoteChanged(_look_up(tx, shopper_id, free, basket, now=now).quote) from refused
    return placed


def _fill(there: cart.Cart, wanted: Wanted) -> _Basket:
    if wanted.pieces:
        pieces: dict[str, int] = {}
        for sku_id, quantity in wanted.pieces:
            pieces[sku_id] = pieces.get(sku_id, 0) + quantity
        return _Basket(pieces, {}, wanted.touch_id, wanted.visitor_id, is_cart=False)
    chosen = [line for line in there.lines if line.is_chosen]
    if not chosen:
        raise CartEmpty
    if len(chosen) > MAX_LINES:
        raise ValidationFailed(fields={"lines": [f"At most {MAX_LINES} can be checked out at once."]})
    shared = max((x for x in chosen if x.touch_id or x.visitor_id), key=lambda x: x.added_at, default=None)
    return _Basket(
        {line.sku_id: line.quantity for line in chosen},
        {line.sku_id: line.price_seen_minor for line in chosen},
        None if shared is None else shared.touch_id,
        None if shared is None else shared.visitor_id,
        is_cart=True,
    )


def _look_up(tx: Transaction, shopper_id: str, wanted: Wanted, basket: _Basket, *, now: datetime) -> _Found:
    found = catalog.list_offers(tx, sku_ids=list(basket.pieces))
    problems = {sku: _find_problem(found.get(sku), pieces) for sku, pieces in basket.pieces.items()}
    sound = [sku for sku, problem in problems.items() if problem is None]
    merchants = {(found[sku].merchant_id, found[sku].currency) for sku in (sound or found)}
    if len(merchants) > 1:
        raise CartMixed
    merchant_id, currency = next(iter(merchants), (catalog.MAIN_MERCHANT, "CNY"))
    address, point = _find_place(tx, shopper_id, wanted, merchant_id)
    above = _read_categories(tx) if wanted.coupon_id is not None else {}
    lines = [_to_quote_line(found[sku], basket.pieces[sku], above) for sku in sound]
    sums = _sum(
        tx, shopper_id, wanted.coupon_id, lines, merchant_id, currency,
        region=address.region_code if address is not None and point is None else None, now=now,
    )  # fmt: skip
    amounts = dict(zip(sound, sums.amounts, strict=True))
    quoted = tuple(
        _to_quoted(sku, found.get(sku), pieces, amounts.get(sku, 0), basket.seen.get(sku), problems[sku])
        for sku, pieces in basket.pieces.items()
    )
    address_id = None if address is None else address.id
    point_id = None if point is None else point.id
    what = [
        merchant_id, currency, [[x.sku_id, x.quantity, x.price_minor, x.amount_minor, x.problem] for x in quoted],
        address_id, None if address is None else address.region_code, point_id, wanted.coupon_id, sums.goods_minor,
        sums.discount_minor, sums.freight_minor,
    ]  # fmt: skip
    quote = Quote(
        merchant_id, currency, quoted, address_id, point_id, wanted.coupon_id, sums.goods_minor, sums.discount_minor,
        sums.freight_minor, sums.payable_minor, hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32], now,
    )  # fmt: skip
    return _Found(quote, found, address)


def _find_problem(offer: Offer | None, pieces: int) -> str | None:
    if offer is None:
        return catalog.SkuNotFound.code
    if not offer.is_on_sale:
        return catalog.NotOnSale.code
    if offer.limit_per_person is not None and pieces > offer.limit_per_person:
        return catalog.LimitExceeded.code
    return catalog.OutOfStock.code if offer.available < pieces else None


def _find_place(
    tx: Transaction, shopper_id: str, wanted: Wanted, merchant_id: str
) -> tuple[SavedAddress | None, PickupPoint | None]:
    point = None
    if wanted.pickup_point_id is not None:
        point = fulfilment.get_point(tx, point_id=wanted.pickup_point_id)
        if not point.is_open or point.merchant_id != merchant_id:
            raise fulfilment.PointNotFound
    if wanted.address_id is not None:
        return cart.get_address(tx, address_id=wanted.address_id, shopper_id=shopper_id), point
    book = cart.list_addresses(tx, shopper_id=shopper_id)
    return (book[0] if book and book[0].is_default else None), point


def _read_categories(tx: Transaction) -> dict[str, tuple[str, ...]]:
    """Return each category with those above it."""
    parents = {one.id: one.parent_id for one in catalog.read_tree(tx).values()}
    above = {}
    for category_id in parents:
        path: list[str] = []
        at: str | None = category_id
        while at is not None and at not in path:
            path.append(at)
            at = parents.get(at)
        above[category_id] = tuple(path)
    return above


def _to_quote_line(offer: Offer, pieces: int, above: Mapping[str, tuple[str, ...]]) -> QuoteLine:
    categories = above.get(offer.category_id, ()) if offer.category_id is not None else ()
    return QuoteLine(offer.sku_id, offer.product_id, categories, offer.price_minor, pieces, offer.weight_grams)


def _sum(
    tx: Transaction,
    shopper_id: str,
    coupon_id: str | None,
    lines: Sequence[QuoteLine],
    merchant_id: str,
    currency: str,
    *,
    region: str | None,
    now: datetime,
) -> Sums:
    if not lines:
        return Sums((), 0, 0, 0)
    terms = None
    if coupon_id is not None:
        coupon = offers.get_coupon(tx, coupon_id=coupon_id, shopper_id=shopper_id)
        offers.check_usable(
            coupon, merchant_id=merchant_id, currency=currency,
            is_newcomer=not fulfilment.has_bought(tx, shopper_id=shopper_id), now=now,
        )  # fmt: skip
        terms = coupon.template.draft
    rule = None if region is None else offers.find_freight_rule(tx, merchant_id=merchant_id)
    return offers.decide_sums(lines, coupon=terms, rule=rule, region=region)


def _to_quoted(
    sku_id: str, offer: Offer | None, pieces: int, amount: int, seen: int | None, problem: str | None
) -> QuotedLine:
    if offer is None:
        return QuotedLine(sku_id, "", "", "", (), None, 0, seen, pieces, 0, 0, problem)
    return QuotedLine(
        sku_id, offer.product_id, offer.code, offer.name, offer.spec, offer.picture, offer.price_minor, seen, pieces,
        amount, max(0, offer.available), problem,
    )  # fmt: skip


def _record(
    tx: Transaction, graph: Graph, found: _Found, basket: _Basket, shopper_id: str, no: str, *, now: datetime
) -> Order:
    quote, goods = found.quote, found.offers
    return place_order(
        tx,
        graph,
        external_id=f"shop-{no}",
        buyer_id=shopper_id,
        merchant_id=quote.merchant_id,
        currency=quote.currency,
        placed_at=now,
        touch_id=basket.touch_id,
        visitor_id=basket.visitor_id,
        shipping_minor=quote.freight_minor,
        lines=[
            LineInput(x.sku_id, x.quantity, x.amount_minor, goods[x.sku_id].category, goods[x.sku_id].rates_bps)
            for x in quote.lines
        ],
        now=now,
    )


def _draft(order: Order, no: str, quote: Quote, address: SavedAddress, wanted: Wanted) -> ShopOrderDraft:
    return ShopOrderDraft(
        id=order.id,
        no=no,
        shopper_id=order.buyer_id,
        merchant_id=quote.merchant_id,
        currency=quote.currency,
        address=Address(address.name, address.phone, address.region_code, address.region, address.detail),
        pickup_point_id=quote.pickup_point_id,
        note=wanted.note,
        goods_minor=quote.goods_minor,
        discount_minor=quote.discount_minor,
        freight_minor=quote.freight_minor,
        coupon_id=quote.coupon_id,
        lines=tuple(
            ShopLineDraft(
                x.sku_id, x.product_id, x.code, x.name, x.spec, x.picture, x.price_minor, x.quantity, x.amount_minor
            )
            for x in quote.lines
        ),
    )
