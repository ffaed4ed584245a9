"""Orders: the facts a shop tells about them, kept as told.

Words: *order*, *line* (what was paid for one SKU, after discounts), *payment*, *receipt*, *refund*, *attribution*
(which promoter it belongs to, decided when it was placed).

Invariants: an order is paid once, by one payment; refunds never exceed what was paid, per line and in all; what comes
too early is refused without a trace; what comes twice has no second effect. Each change emits an outbox event
(`order.paid`, `order.received`, `order.refunded`) in its own transaction; commissions follow from those.
"""

from tuike.orders.model import (
    AlreadyPaid,
    AmountMismatch,
    AmountNotPositive,
    Attribution,
    AttributionReason,
    Line,
    LineInput,
    LineNotFound,
    NewOrder,
    Order,
    OrderExternalIdTaken,
    OrderNotFound,
    OrderNotPaid,
    OrderStatus,
    PaymentIdTaken,
    Refund,
    RefundExceedsPaid,
    RefundIdTaken,
    RefundLine,
    RefundPart,
)
from tuike.orders.rules import check_lines
from tuike.orders.service import (
    add_order,
    get_order,
    list_orders,
    list_progress,
    list_refunds,
    lock_pending,
    record_payment,
    record_receipt,
    record_refund,
    set_attribution,
)

__all__ = [
    "AlreadyPaid",
    "AmountMismatch",
    "AmountNotPositive",
    "Attribution",
    "AttributionReason",
    "Line",
    "LineInput",
    "LineNotFound",
    "NewOrder",
    "Order",
    "OrderExternalIdTaken",
    "OrderNotFound",
    "OrderNotPaid",
    "OrderStatus",
    "PaymentIdTaken",
    "Refund",
    "RefundExceedsPaid",
    "RefundIdTaken",
    "RefundLine",
    "RefundPart",
    "add_order",
    "check_lines",
    "get_order",
    "list_orders",
    "list_progress",
    "list_refunds",
    "lock_pending",
    "record_payment",
    "record_receipt",
    "record_refund",
    "set_attribution",
]
