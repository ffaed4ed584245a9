"""Nouns of payments: money that comes in, goes back and goes out through a provider, and the refusals. Pure."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, NotFound, Refused


class PayBy(StrEnum):
    """What a shopper pays with; `wallet` is the available balance of a promoter."""

    WECHAT = "wechat"
    ALIPAY = "alipay"
    WALLET = "wallet"


class PaymentState(StrEnum):
    """Where a payment stands with us.

    asking     the provider is being asked to open it, or was and nobody knows how that ended
    pending    it waits for the shopper's money
    closing    nobody is to pay it any more; the provider has still to be told
    succeeded  the money came
    closed     no money came and none will
    failed     the provider would not open it
    held       money came, but not what was asked for: a person decides
    """

    ASKING = "asking"
    PENDING = "pending"
    CLOSING = "closing"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"
    FAILED = "failed"
    HELD = "held"

    @property
    def is_open(self) -> bool:
        """Tell whether money may still come without surprising anybody."""
        return self in (PaymentState.ASKING, PaymentState.PENDING, PaymentState.CLOSING)


class PaymentOutcome(StrEnum):
    """What became of the money that came; all but the first send it back or to a person."""

    PAID_ORDER = "paid_order"
    ORDER_CLOSED = "order_closed"
    PAID_TWICE = "paid_twice"
    STOCK_GONE = "stock_gone"
    AMOUNT_DIFFERS = "amount_differs"


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to pay an order. Its id is the number that the provider knows it by, for good."""

    id: str
    order_id: str
    shopper_id: str
    provider: PayBy
    payer_id: str | None = field(repr=False)
    description: str
    amount_minor: int
    currency: str
    state: PaymentState
    outcome: PaymentOutcome | None
    prepay_id: str | None = field(repr=False)
    prepaid_at: datetime | None
    provider_no: str | None
    received_minor: int | None
    paid_at: datetime | None
    expires_at: datetime
    asked_at: datetime | None
    attempts: int
    next_at: datetime | None
    note: str | None
    created_at: datetime


class RefundCause(StrEnum):
    """Why money goes back: a decision of after-sale, or a payment that nothing could be done with."""

    AFTER_SALE = "after_sale"
    ORDER_CLOSED = "order_closed"
    PAID_TWICE = "paid_twice"
    STOCK_GONE = "stock_gone"
    AMOUNT_DIFFERS = "amount_differs"


class RefundState(StrEnum):
    """Where a refund stands. `held`: the provider will not; a person settles it."""

    DUE = "due"
    ASKING = "asking"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class PaymentRefund:
    """Money on its way back. The provider knows it by `out_no`, whatever happens but its own word that it is closed."""

    id: str
    out_no: str
    payment_id: str
    order_id: str
    provider: PayBy
    cause: RefundCause
    amount_minor: int
    total_minor: int
    currency: str
    reason: str
    state: RefundState
    provider_no: str | None
    asked_at: datetime | None
    attempts: int
    next_at: datetime | None
    refunded_at: datetime | None
    note: str | None
    created_at: datetime


class PayoutState(StrEnum):
    """Where a payout stands. Only the last three are final; `held` waits for a person."""

    DUE = "due"
    ASKING = "asking"
    WAITING_FOR_USER = "waiting_for_user"
    PROCESSING = "processing"
    CANCELLING = "cancelling"
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Tell whether the money has arrived or is back."""
        return self in (PayoutState.SUCCEEDED, PayoutState.FAILED, PayoutState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Payout:
    """The payment of one withdrawal. `out_no` is what the provider knows it by and never changes.

    `name` is the recipient's, encrypted; it is forgotten when the payout ends.
    """

    id: str
    withdrawal_id: str
    promoter_id: str
    provider: PayBy
    out_no: str
    payee_id: str = field(repr=False)
    is_logon_id: bool
    name: bytes | None = field(repr=False)
    amount_minor: int
    currency: str
    state: PayoutState
    package: str | None = field(repr=False)
    provider_no: str | None
    note: str | None
    asked_at: datetime | None
    attempts: int
    next_at: datetime | None
    finished_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """A provider's book of one business day, as it was downloaded last.

    `fee_micros` are millionths of a yuan, as everywhere: fees are fractions of a 分. `digest` is SHA-256 of the text.
    """

    provider: PayBy
    on_day: date
    downloaded_at: datetime
    digest: bytes = field(repr=False)
    payments: int
    payments_minor: int
    refunds: int
    refunds_minor: int
    fee_micros: int
    open_differences: int

    @property
    def id(self) -> str:
        """What names the bill: its provider and day."""
        return f"{self.provider.value}_{self.on_day.isoformat()}"


@dataclass(frozen=True, slots=True)
class BillLine:
    """One payment or refund of a bill. `no` is our number as the provider has it; `amount_minor` is never negative."""

    what: str
    no: str
    provider_no: str
    amount_minor: int
    fee_micros: int
    state: str
    at: datetime


class DifferenceKind(StrEnum):
    """What a day's bill and our rows disagree about."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT_DIFFERS = "amount_differs"
    STATE_DIFFERS = "state_differs"


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement, kept until it is resolved. `no` is our number of the payment or refund.

    `resolved_by` names a person or a key, or is BY_COMPARISON where a later comparison found the difference gone.
    """

    id: str
    provider: PayBy
    on_day: date
    kind: DifferenceKind
    what: str
    no: str
    ours_minor: int | None
    theirs_minor: int | None
    ours_state: str | None
    theirs_state: str | None
    found_at: datetime
    resolved_at: datetime | None
    note: str | None
    resolved_by: str | None = None


BY_COMPARISON = "comparison"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One comparison of a day's bill with our rows."""

    id: str
    provider: PayBy
    on_day: date
    run_at: datetime
    lines: int
    matched: int
    differences: int
    ours_minor: int
    theirs_minor: int


@dataclass(frozen=True, slots=True)
class Attention:
    """How much waits for a person or for too long; for alarms."""

    open_payments: int
    overdue_payments: int
    held_payments: int
    waiting_refunds: int
    held_refunds: int
    waiting_payouts: int
    held_payouts: int
    open_differences: int


class PaymentNotFound(NotFound):
    code, message = "payment_not_found", "There is no such payment."


class PaymentRefundNotFound(NotFound):
    code, message = "payment_refund_not_found", "There is no such refund of a payment."


class PayoutNotFound(NotFound):
    code, message = "payout_not_found", "There is no such payout."


class BillNotFound(NotFound):
    code, message = "bill_not_found", "No bill of this provider and day was downloaded."


class ReconciliationNotFound(NotFound):
    code, message = "reconciliation_not_found", "There is no such reconciliation."


class DifferenceNotFound(NotFound):
    code, message = "difference_not_found", "There is no such difference."


class PayerUnknown(Refused):
    code, message = "payer_unknown", "Log in with this provider first: it has to know who pays."


class PayeeUnknown(Refused):
    code, message = "payee_unknown", "Nobody knows where to pay this withdrawal."


class PayeeNameNeeded(Refused):
    code, message = "payee_name_needed", "The recipient's name is needed for this amount or account."


class PayoutMethodUnfit(Refused):
    code, message = "payout_method_unfit", "This withdrawal is not paid through a provider."


class PayoutAmountUnfit(Refused):
    code, message = "payout_amount_unfit", "The provider does not transfer this amount."


class CurrencyNotTaken(Refused):
    code, message = "currency_not_taken", "This provider takes CNY only."


class PaymentWrongState(Conflict):
    code, message = "wrong_state", "The present state does not allow this."


class PayoutUnderWay(Conflict):
    code, message = "payout_under_way", "A payout of this withdrawal is under way; it ends it by itself."


class BillNotReady(Conflict):
    code, message = "bill_not_ready", "The provider has no bill of this day yet; it makes them the next morning."
