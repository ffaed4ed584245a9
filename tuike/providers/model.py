"""What callers of outside services speak in: states, frozen answers, errors. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Malformed, Refused, TuikeError, Unavailable


class Provider(StrEnum):
    """An outside service; the value is the `part` of a 503."""

    WECHAT = "wechat"
    WECHAT_PAY = "wechat_pay"
    ALIPAY = "alipay"


class PaymentState(StrEnum):
    """Where a payment stands. `refunded` means: was paid, and something of it went back."""

    UNPAID = "unpaid"
    PAYING = "paying"
    PAID = "paid"
    REFUNDED = "refunded"
    CLOSED = "closed"
    FAILED = "failed"


class RefundState(StrEnum):
    """Where a refund stands. `closed`: nothing went back; `abnormal`: somebody has to settle it by hand."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"
    ABNORMAL = "abnormal"


class TransferState(StrEnum):
    """Where a transfer to a person stands. Only the last three are final."""

    ACCEPTED = "accepted"
    PROCESSING = "processing"
    WAITING_FOR_USER = "waiting_for_user"
    TRANSFERRING = "transferring"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Tell whether the state will not change again."""
        return self in (TransferState.SUCCEEDED, TransferState.FAILED, TransferState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Payment:
    """What the provider says about the payment of `out_no`. `amount_minor` is None where it does not say."""

    provider: Provider
    out_no: str
    provider_no: str | None
    state: PaymentState
    amount_minor: int | None
    currency: str
    payer_id: str | None = field(repr=False)
    paid_at: datetime | None

    @property
    def is_paid(self) -> bool:
        """Tell whether the money was received, whatever went back afterwards."""
        return self.state in (PaymentState.PAID, PaymentState.REFUNDED)


@dataclass(frozen=True, slots=True)
class Refund:
    """What the provider says about one refund. `total_minor` is the payment's amount where it is told."""

    provider: Provider
    out_refund_no: str
    out_no: str | None
    provider_no: str | None
    state: RefundState
    amount_minor: int
    total_minor: int | None
    currency: str
    refunded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """What the provider says about a transfer to a person.

    `package` is what the recipient's client needs to confirm it; only the answer to a new transfer has it. `reason` is
    the provider's code for a failure.
    """

    provider: Provider
    out_no: str
    provider_no: str | None
    state: TransferState
    amount_minor: int | None
    currency: str
    reason: str | None
    changed_at: datetime | None
    package: str | None = field(default=None, repr=False)


class NotifyKind(StrEnum):
    """What a notify is about; `other` ones are answered with success and left alone."""

    PAYMENT = "payment"
    REFUND = "refund"
    TRANSFER = "transfer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Notify:
    """A verified notify: exactly one of the three facts, none for `other`. The same `id` comes again and again."""

    provider: Provider
    id: str
    kind: NotifyKind
    created_at: datetime
    payment: Payment | None = None
    refund: Refund | None = None
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """One payment or refund of a day's trade bill. `amount_minor` is always positive; `kind` says the direction.

    `fee_micros` are millionths of a yuan, because fees are fractions of a 分; below zero where a fee comes back.
    """

    kind: NotifyKind
    at: datetime
    out_no: str
    provider_no: str
    out_refund_no: str | None
    provider_refund_no: str | None
    amount_minor: int
    fee_micros: int
    currency: str
    state: str


@dataclass(frozen=True, slots=True)
class FundLine:
    """One movement of the merchant's account on a day. `amount_minor` is negative for money that left."""

    at: datetime
    flow_no: str
    provider_no: str
    business: str
    amount_minor: int
    balance_minor: int
    note: str


@dataclass(frozen=True, slots=True)
class Bill:
    """A day's trade bill: its lines, and the file's own text for the archive."""

    provider: Provider
    lines: tuple[BillLine, ...]
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FundBill:
    """A day's bill of the merchant's account."""

    provider: Provider
    lines: tuple[FundLine, ...]
    text: str = field(repr=False)


class ProviderNotConfigured(Unavailable):
    """The variables that lead to this provider are unset; `part` names it."""

    code, message = "provider_not_configured", "This outside service is not configured."

    def __init__(self, provider: Provider, missing: str = "") -> None:
        super().__init__(f"{provider.value} is not configured" + (f": {missing} is not set." if missing else "."))
        self.part = provider.value


class ProviderUnavailable(Unavailable):
    """The provider could not be asked, or said to try again later; `part` names it.

    While `is_outcome_unknown` the request may have been carried out: ask for its state, or send it again with the same
    out number, never with another one. `reason` is a short code for logs.
    """

    code, message = "provider_unavailable", "An outside service does not answer; try again."

    def __init__(self, provider: Provider, reason: str, *, is_outcome_unknown: bool) -> None:
        super().__init__(f"{provider.value} does not answer ({reason}); try again.")
        self.part = provider.value
        self.provider = provider
        self.reason = reason
        self.is_outcome_unknown = is_outcome_unknown


class ProviderAnswerInvalid(ProviderUnavailable):
    """The provider's answer was not signed by it, or makes no sense: nothing in it may be believed."""

    code, message = "provider_answer_invalid", "An outside service gave an answer that cannot be trusted; try again."

    def __init__(self, provider: Provider, reason: str) -> None:
        super().__init__(provider, reason, is_outcome_unknown=True)


class ProviderRefused(Refused):
    """The provider refused, with its own code. A refusal of a transfer or refund is final only once a query says so."""

    code, message = "provider_refused", "The outside service refused."

    def __init__(self, provider: Provider, provider_code: str, reason: str = "", *, status: int = 200) -> None:
        super().__init__(f"{provider.value} refused with {provider_code}.")
        self.provider = provider
        self.provider_code = provider_code
        self.reason = reason
        self.provider_status = status


class ProviderNotFound(ProviderRefused):
    """The provider knows nothing under this number."""

    code, status, message = "provider_not_found", 404, "The outside service knows no such number."


class SignatureInvalid(TuikeError):
    """A notify that its provider did not sign."""

    code, status, message = "signature_invalid", 401, "The signature is not valid."


class NotifyStale(TuikeError):
    """A notify whose timestamp is too far from now."""

    code, status, message = "notify_stale", 401, "The notify's timestamp is too far from now."


class NotifyMalformed(Malformed):
    """A notify that is signed but cannot be read, or is meant for somebody else."""

    code, message = "notify_malformed", "The notify could not be read."
