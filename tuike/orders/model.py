"""Nouns of orders and the refusals they know. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, NotFound, Refused


class OrderStatus(StrEnum):
    PLACED = "placed"
    PAID = "paid"
    RECEIVED = "received"
    REFUNDED = "refunded"


class AttributionReason(StrEnum):
    """Why an order belongs to the promoter it belongs to, or to none."""

    LAST_TOUCH = "last_touch"
    FIRST_TOUCH = "first_touch"
    NO_VALID_TOUCH = "no_valid_touch"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class LineInput:
    """A line as ordered: `amount_minor` is the line's total after discounts; `rates_bps` overrides the plan's."""

    sku: str
    quantity: int
    amount_minor: int
    category: str | None = None
    rates_bps: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its place in the order (`no`, from 0) and what was refunded of it so far."""

    no: int
    sku: str
    quantity: int
    amount_minor: int
    refunded_minor: int
    category: str | None
    rates_bps: tuple[int, ...] | None

    @property
    def left_minor(self) -> int:
        """What is still paid for this line."""
        return self.amount_minor - self.refunded_minor


@dataclass(frozen=True, slots=True)
class Attribution:
    """The decision whom an order belongs to; never changed once resolved."""

    promoter_id: str | None
    model: str
    reason: AttributionReason
    touch_id: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the decision waits for the graph."""
        return self.reason is AttributionReason.PENDING


@dataclass(frozen=True, slots=True)
class Order:
    """An order as known now."""

    id: str
    external_id: str
    buyer_id: str
    merchant_id: str
    currency: str
    status: OrderStatus
    goods_minor: int
    shipping_minor: int
    refunded_minor: int
    refunded_shipping_minor: int
    touch_id: str | None
    visitor_id: str | None
    plan_name: str
    plan_version: int
    attribution: Attribution
    payment_id: str | None
    placed_at: datetime
    paid_at: datetime | None
    received_at: datetime | None
    lines: tuple[Line, ...]

    @property
    def total_minor(self) -> int:
        """What a payment must amount to: goods and freight."""
        return self.goods_minor + self.shipping_minor


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order about to be recorded, with the decisions taken at placement."""

    id: str
    external_id: str
    buyer_id: str
    merchant_id: str
    currency: str
    shipping_minor: int
    touch_id: str | None
    visitor_id: str | None
    plan_name: str
    plan_version: int
    attribution: Attribution
    placed_at: datetime
    lines: tuple[LineInput, ...]


@dataclass(frozen=True, slots=True)
class RefundLine:
    """A part of a refund by line: money for some pieces of a SKU."""

    sku: str
    quantity: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class RefundPart:
    """What a refund took from one line."""

    no: int
    sku: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as recorded; `amount_minor` is its lines and freight together."""

    id: str
    order_id: str
    refunded_at: datetime
    amount_minor: int
    shipping_minor: int
    lines: tuple[RefundPart, ...]


class OrderNotFound(NotFound):
    code, message = "order_not_found", "There is no such order."


class OrderExternalIdTaken(Conflict):
    code, message = "external_id_taken", "Another order has this external_id."


class AlreadyPaid(Conflict):
    code, message = "already_paid", "The order was paid by another payment."


class PaymentIdTaken(Conflict):
    code, message = "payment_id_taken", "Another order was paid by this payment."


class OrderNotPaid(Conflict):
    code, message = "order_not_paid", "The order is not paid yet; send this again afterwards."


class RefundIdTaken(Conflict):
    code, message = "refund_id_taken", "A different refund has this refund_id."


class AmountMismatch(Refused):
    code, message = "amount_mismatch", "The payment is not what the order costs."


class AmountNotPositive(Refused):
    code, message = "amount_not_positive", "An amount must be greater than 0."


class AmountsTooLarge(Refused):
    code, message = "amount_too_large", "The order is larger than this platform handles."


class RefundExceedsPaid(Refused):
    code, message = "refund_exceeds_paid", "More would be refunded than is still paid."


class LineNotFound(Refused):
    code, message = "line_not_found", "The order has no line of this SKU."


class RefundAmbiguous(Refused):
    code, message = "refund_ambiguous", "A refund has either amount_minor or lines."
