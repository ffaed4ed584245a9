"""Placing an order: its attribution and its split, decided once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tuike import attribution, commission, orders
from tuike.commission import ChainLink, LineTerms, Plan
from tuike.db import Transaction, Write, outbox, write_together
from tuike.graph import Graph, journal
from tuike.orders import Attribution, AttributionReason, LineInput, NewOrder, Order
from tuike.shared import clock, ids, money
from tuike.shared.errors import GraphUnavailable

DEFAULT_MERCHANT = "main"


def place_order(
    tx: Transaction,
    graph: Graph,
    *,
    external_id: str,
    buyer_id: str,
    merchant_id: str = DEFAULT_MERCHANT,
    currency: str = money.DEFAULT_CURRENCY,
    placed_at: datetime,
    touch_id: str | None = None,
    visitor_id: str | None = None,
    shipping_minor: int = 0,
    lines: Sequence[LineInput],
    now: datetime,
) -> Order:
    """Record an order and decide its attribution and split, for good; whatever is written is one statement.

    An order placed while the graph is down or behind has attribution reason `pending`; `resolve_attribution` decides
    it later with the same inputs.

    Raises ValidationFailed (future), CurrencyUnknown, AmountNotPositive, AmountsTooLarge, TooManyLevels, RatesTooHigh,
    OrderExternalIdTaken. A `touch_id` that names nothing is left aside: a sale is never refused for it.
    """
    clock.refuse_future("placed_at", placed_at, now=now)
    money.check_currency(currency)
    orders.check_lines(lines, shipping_minor)
    for no, line in enumerate(lines):
        if line.rates_bps is not None:
            commission.check_rates(line.rates_bps, field=f"lines.{no}.rates_bps")
    plan, is_behind = commission.find_plan_and(tx, at=placed_at, condition=journal.BEHIND)
    new = NewOrder(
        id=ids.new_id("order"),
        external_id=external_id,
        buyer_id=buyer_id,
        merchant_id=merchant_id,
        currency=currency,
        shipping_minor=shipping_minor,
        touch_id=touch_id,
        visitor_id=visitor_id,
        plan_name=plan.name,
        plan_version=plan.version,
        attribution=Attribution(None, plan.attribution, AttributionReason.PENDING),
        placed_at=placed_at,
        lines=tuple(lines),
    )
    claim = None
    if touch_id is not None:
        claim = attribution.find_claim(tx, order_id=new.id, touch_id=touch_id, buyer_id=buyer_id, now=now)
    also = [] if claim is None else [claim]
    try:
        if is_behind:
            raise GraphUnavailable
        decision, chain = _decide(graph, new, plan)
    except GraphUnavailable:
        also.append(outbox.write(topic="order.unresolved", key=new.id, now=now))
        return orders.add_order(tx, new, also=also, now=now)
    terms = [LineTerms(no, line.amount_minor, line.rates_bps) for no, line in enumerate(lines)]
    also += _write_decision(new, terms, plan, chain, decision, now=now)
    return orders.add_order(tx, replace(new, attribution=decision), also=also, now=now)


def resolve_attribution(tx: Transaction, graph: Graph, *, order_id: str, now: datetime) -> None:
    """Decide an order that was placed while the graph could not answer, as of its own time.

    Does nothing when it is decided already. Raises GraphUnavailable while the graph still cannot answer.
    """
    order = orders.lock_pending(tx, order_id=order_id)
    if order is None:
        return
    if journal.is_behind(tx):
        raise GraphUnavailable
    # The version kept with the order: another may be in force at a placed_at that lay a little ahead.
    plan = commission.get_plan_version(tx, name=order.plan_name, version=order.plan_version)
    decision, chain = _decide(graph, order, plan)
    orders.set_attribution(tx, order=order, attribution=decision, now=now)
    terms = [LineTerms(line.no, line.amount_minor, line.rates_bps) for line in order.lines]
    write_together(tx, *_write_decision(order, terms, plan, chain, decision, now=now))


def _decide(graph: Graph, order: NewOrder | Order, plan: Plan) -> tuple[Attribution, list[ChainLink]]:
    found = attribution.find_attribution(
        graph,
        buyer_id=order.buyer_id,
        visitor_id=order.visitor_id,
        touch_id=order.touch_id,
        placed_at=order.placed_at,
        lock_days=plan.lock_days,
        model=plan.attribution,
    )
    if found is None:
        return Attribution(None, plan.attribution, AttributionReason.NO_VALID_TOUCH), []
    reason = AttributionReason.LAST_TOUCH if plan.attribution == "last" else AttributionReason.FIRST_TOUCH
    chain = [ChainLink(x.promoter_id, x.status == "active", x.user_id == order.buyer_id) for x in found.chain]
    return Attribution(found.promoter_id, plan.attribution, reason, found.touch_id), chain


def _write_decision(
    order: NewOrder | Order,
    lines: Sequence[LineTerms],
    plan: Plan,
    chain: Sequence[ChainLink],
    decision: Attribution,
    *,
    now: datetime,
) -> list[Write]:
    """Return the writes of what was decided for an order: its split, and the journal row for the graph."""
    split = commission.decide_split(
        order_id=order.id,
        merchant_id=order.merchant_id,
        currency=order.currency,
        plan=plan,
        lines=lines,
        chain=chain,
    )
    row = journal.write(
        kind="order",
        id=order.id,
        subject=order.buyer_id,
        payload={
            "order_id": order.id,
            "buyer_id": order.buyer_id,
            "placed_at": clock.to_micros(order.placed_at),
            "promoter_id": decision.promoter_id,
            "model": decision.model,
            "reason": decision.reason.value,
        },
        lane=journal.LAZY,
        now=now,
    )
    return [commission.write_split(split), row]
