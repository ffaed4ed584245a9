"""Nouns of fulfilment and the refusals they know. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.shared.errors import Conflict, NotFound, Refused


class OrderState(StrEnum):
    """待付款, 待发货, 待收货, 已完成, 已关闭. An order is in 售后 while a case is open, beside its state."""

    UNPAID = "unpaid"
    TO_SHIP = "to_ship"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    CLOSED = "closed"


class Delivery(StrEnum):
    PARCEL = "parcel"
    PICKUP = "pickup"


class CloseReason(StrEnum):
    """Why an order was closed; `refunded` is the only one after a payment."""

    SHOPPER = "shopper"
    EXPIRED = "expired"
    STAFF = "staff"
    STOCK_GONE = "stock_gone"
    REFUNDED = "refunded"


class PaidOutcome(StrEnum):
    """What became of a payment; all but `recorded` and `duplicate` recorded nothing, and the money goes back."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CLOSED = "closed"
    AMOUNT_DIFFERS = "amount_differs"
    STOCK_GONE = "stock_gone"
    ALREADY_PAID = "already_paid"


class CaseKind(StrEnum):
    REFUND_ONLY = "refund_only"
    RETURN_AND_REFUND = "return_and_refund"


class CaseState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNING = "returning"
    RECEIVED_BACK = "received_back"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


class RefundState(StrEnum):
    DUE = "due"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an order goes, as it was when the order was placed."""

    name: str
    phone: str
    region_code: str
    region: str
    detail: str


@dataclass(frozen=True, slots=True)
class ShopLineDraft:
    """A line about to be placed: the product as it is now, and its total after discounts."""

    sku_id: str
    product_id: str
    code: str
    name: str
    spec: tuple[str, ...]
    picture: str | None
    price_minor: int
    quantity: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ShopOrderDraft:
    """An order about to be placed; `id` is that of the recorded order, whose lines are in the same order."""

    id: str
    no: str
    shopper_id: str
    merchant_id: str
    currency: str
    address: Address
    pickup_point_id: str | None
    note: str
    goods_minor: int
    discount_minor: int
    freight_minor: int
    coupon_id: str | None
    lines: tuple[ShopLineDraft, ...]

    @property
    def payable_minor(self) -> int:
        """Goods, less discounts, and freight."""
        return self.goods_minor - self.discount_minor + self.freight_minor


@dataclass(frozen=True, slots=True)
class ShopLine:
    """A line as kept: what of it was shipped, will not be shipped, and is claimed back by after-sale."""

    no: int
    sku_id: str
    product_id: str
    code: str
    name: str
    spec: tuple[str, ...]
    picture: str | None
    price_minor: int
    quantity: int
    amount_minor: int
    shipped_quantity: int
    cancelled_quantity: int
    claimed_quantity: int
    claimed_minor: int

    @property
    def to_ship_quantity(self) -> int:
        """Pieces that still have to leave."""
        return self.quantity - self.shipped_quantity - self.cancelled_quantity

    @property
    def left_quantity(self) -> int:
        """Pieces that no after-sale case claims."""
        return self.quantity - self.claimed_quantity

    @property
    def left_minor(self) -> int:
        """Money that no after-sale case claims."""
        return self.amount_minor - self.claimed_minor


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """An order as its shopper sees it; `version` grows with everything that happens to it."""

    id: str
    no: str
    shopper_id: str
    merchant_id: str
    currency: str
    state: OrderState
    delivery: Delivery
    address: Address
    pickup_point_id: str | None
    pickup_code: str | None
    note: str
    goods_minor: int
    discount_minor: int
    freight_minor: int
    payable_minor: int
    claimed_freight_minor: int
    coupon_id: str | None
    payment_id: str | None
    open_cases: int
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    shipped_at: datetime | None
    receive_by: datetime | None
    completed_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    version: int
    lines: tuple[ShopLine, ...]

    @property
    def in_after_sale(self) -> bool:
        """Whether a case is open."""
        return self.open_cases > 0


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something that happened to an order, which thereby got this version and was left in this state."""

    order_id: str
    version: int
    kind: str
    state: OrderState
    detail: Mapping[str, Any]
    made_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OrderNote:
    """A remark of staff that the shopper does not see."""

    id: str
    order_id: str
    body: str
    made_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What a list of orders is narrowed to; `text` is an order's number or a parcel's tracking number."""

    shopper_id: str | None = None
    merchant_ids: tuple[str, ...] = ()
    state: OrderState | None = None
    in_after_sale: bool | None = None
    pickup_point_id: str | None = None
    text: str | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Payable:
    """What a payment needs to know of an order that waits for one."""

    order_id: str
    no: str
    shopper_id: str
    payable_minor: int
    currency: str
    description: str
    expires_at: datetime
    state: OrderState


@dataclass(frozen=True, slots=True)
class Pieces:
    """So many pieces of an order's line."""

    no: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Parcel:
    id: str
    order_id: str
    carrier: str
    tracking_no: str
    lines: tuple[Pieces, ...]
    shipped_by: str
    shipped_at: datetime
    uploaded_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShippingUpload:
    """A parcel that the payment provider has not been told of. `all_shipped`: nothing of the order is left to ship."""

    parcel_id: str
    order_id: str
    payment_id: str
    delivery: Delivery
    carrier: str
    tracking_no: str
    description: str
    phone: str
    shipped_at: datetime
    all_shipped: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """What a shopper asks back of a line: pieces, and money; `amount_minor` None is what the pieces cost."""

    no: int
    quantity: int
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """What a case asks back of a line; `unshipped_quantity` of the pieces had not left when it was opened."""

    no: int
    quantity: int
    unshipped_quantity: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Case:
    """An after-sale case. In `requested` and `approved` somebody must act before `deadline_at`."""

    id: str
    order_id: str
    shopper_id: str
    merchant_id: str
    kind: CaseKind
    state: CaseState
    reason: str
    description: str
    pictures: tuple[str, ...]
    goods_minor: int
    freight_minor: int
    answer: str
    decided_by: str | None
    return_carrier: str | None
    return_tracking_no: str | None
    deadline_at: datetime | None
    created_at: datetime
    decided_at: datetime | None
    ended_at: datetime | None
    version: int
    lines: tuple[CaseLine, ...]

    @property
    def amount_minor(self) -> int:
        """All the money that the case asks back."""
        return self.goods_minor + self.freight_minor


@dataclass(frozen=True, slots=True)
class RefundLine:
    """What a refund gives back of a line."""

    no: int
    quantity: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ShopRefund:
    """Money on its way back; `id` is the number the provider is told, the same however often it is sent."""

    id: str
    order_id: str
    case_id: str
    payment_id: str
    currency: str
    paid_minor: int
    goods_minor: int
    freight_minor: int
    state: RefundState
    failure: str | None
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    lines: tuple[RefundLine, ...]

    @property
    def amount_minor(self) -> int:
        """Goods and freight together."""
        return self.goods_minor + self.freight_minor


@dataclass(frozen=True, slots=True)
class PickupPoint:
    """Where a promoter hands out the orders that go there."""

    id: str
    merchant_id: str
    promoter_id: str
    name: str
    address: str
    phone: str
    hours: str
    is_open: bool
    version: int
    created_at: datetime


class PlacedInShop(Conflict):
    code, message = "placed_in_shop", "The order was placed in the shop: what happens to it comes from there."


class WrongState(Conflict):
    code, message = "wrong_state", "The order is not in a state that allows this."


class OrderClosed(Conflict):
    code, message = "order_closed", "The order was closed."


class AfterSaleOpen(Conflict):
    code, message = "after_sale_open", "An after-sale case is open; it has to end first."


class AfterSaleOver(Conflict):
    code, message = "after_sale_over", "The time for after-sale is over."


class CaseNotFound(NotFound):
    code, message = "case_not_found", "There is no such after-sale case."


class TooManyCases(Conflict):
    code, message = "too_many_cases", "The order has had more after-sale cases than anybody can need."


class RefundNotFound(NotFound):
    code, message = "refund_not_found", "There is no such refund."


class ParcelExists(Conflict):
    code, message = "parcel_exists", "The order has a parcel of this tracking number with something else in it."


class ParcelNotFound(NotFound):
    code, message = "parcel_not_found", "There is no such parcel."


class PiecesExceeded(Refused):
    code, message = "pieces_exceeded", "There are fewer pieces than that."


class ClaimExceedsPaid(Refused):
    code, message = "claim_exceeds_paid", "More would be claimed back than these pieces cost."


class PointNotFound(NotFound):
    code, message = "pickup_point_not_found", "There is no such pick-up point."


class PickupCodeUnknown(NotFound):
    code, message = "pickup_code_unknown", "No order at this point waits under this code."
