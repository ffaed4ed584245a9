"""Decisions about orders and refunds. Pure."""

from collections.abc import Sequence

from tuike.orders.model import (
    AmountNotPositive,
    AmountsTooLarge,
    Line,
    LineInput,
    LineNotFound,
    Order,
    RefundExceedsPaid,
    RefundLine,
)
from tuike.shared.money import MAX_AMOUNT_MINOR, spread


def check_lines(lines: Sequence[LineInput], shipping_minor: int) -> None:
    """Raise AmountNotPositive or AmountsTooLarge, naming the field, for amounts an order cannot have."""
    bad = {f"lines.{no}.amount_minor": ["Must be greater than 0."] for no, x in enumerate(lines) if x.amount_minor <= 0}
    if not lines:
        bad = {"lines": ["An order has at least one line."]}
    if shipping_minor < 0:
        bad["shipping_minor"] = ["Must not be negative."]
    if bad:
        raise AmountNotPositive(fields=bad)
    if sum(line.amount_minor for line in lines) + shipping_minor > MAX_AMOUNT_MINOR:
        raise AmountsTooLarge(fields={"lines": [f"Together with freight they must not exceed {MAX_AMOUNT_MINOR}."]})


def decide_refund_by_amount(order: Order, amount_minor: int) -> tuple[list[int], int]:
    """Return (amount per line, freight) of a refund that names only an amount.

    It is spread over the goods in proportion to what is left on each line, the remainder to the last; freight is
    touched only after the goods are used up. Source: contract.md, exact reading 4. Raises RefundExceedsPaid,
    AmountNotPositive.
    """
    if amount_minor <= 0:
        raise AmountNotPositive(fields={"amount_minor": ["Must be greater than 0."]})
    rooms = [line.left_minor for line in order.lines]
    goods_left = sum(rooms)
    freight_left = order.shipping_minor - order.refunded_shipping_minor
    if amount_minor > goods_left + freight_left:
        raise RefundExceedsPaid(fields={"amount_minor": [f"Only {goods_left + freight_left} is still paid."]})
    goods = min(amount_minor, goods_left)
    return spread(goods, rooms), amount_minor - goods


def decide_refund_by_lines(order: Order, wanted: Sequence[RefundLine]) -> list[int]:
    """Return the amount per line of a refund that names SKUs; several lines of one SKU are used up in their order.

    A refund may name a SKU again for the same pieces (money back in two steps), so pieces are checked against what was
    ordered and money against what is left. Raises LineNotFound, AmountNotPositive, RefundExceedsPaid, each naming the
    field.
    """
    if not wanted:
        raise AmountNotPositive(fields={"lines": ["Name at least one line."]})
    parts = [0] * len(order.lines)
    for index, want in enumerate(wanted):
        lines = [line for line in order.lines if line.sku == want.sku]
        if not lines:
            raise LineNotFound(fields={f"lines.{index}.sku": ["The order has no such line."]})
        if want.amount_minor <= 0:
            raise AmountNotPositive(fields={f"lines.{index}.amount_minor": ["Must be greater than 0."]})
        ordered = sum(line.quantity for line in lines)
        if want.quantity > ordered:
            raise RefundExceedsPaid(fields={f"lines.{index}.quantity": [f"Only {ordered} were ordered."]})
        rest = _use_up(lines, parts, want.amount_minor)
        if rest:
            left = want.amount_minor - rest
            raise RefundExceedsPaid(fields={f"lines.{index}.amount_minor": [f"Only {left} is still paid."]})
    return parts


def check_freight(order: Order, shipping_minor: int) -> int:
    """Return the freight that goes back, if so much of it is left. Raises RefundExceedsPaid, AmountNotPositive."""
    left = order.shipping_minor - order.refunded_shipping_minor
    if shipping_minor < 0:
        raise AmountNotPositive(fields={"shipping_minor": ["Must not be negative."]})
    if shipping_minor > left:
        raise RefundExceedsPaid(fields={"shipping_minor": [f"Only {left} is still paid."]})
    return shipping_minor


def _use_up(lines: Sequence[Line], parts: list[int], amount_minor: int) -> int:
    for line in lines:
        taken = min(amount_minor, line.left_minor - parts[line.no])
        parts[line.no] += taken
        amount_minor -= taken
    return amount_minor
