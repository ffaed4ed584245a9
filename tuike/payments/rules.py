"""Decisions about payments, refunds and payouts. Pure: values in, values out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from tuike.payments.model import PayBy, Payment, PaymentState, RefundState

FIRST_LOOK = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=10)
LEASE = timedelta(seconds=60)
"""How long what a worker took stays its own; longer than any call to a provider may take."""
GRACE = timedelta(seconds=5)
"""After the last instant at which somebody could pay, before we ask for the last time."""
PREPAY_FRESH = timedelta(minutes=90)
"""A prepay id is good for two hours."""
SHORTEST_LIFE = timedelta(seconds=70)
"""A payment that ends sooner is not opened: the provider wants a minute."""
REFUND_PAUSE = timedelta(seconds=61)
"""Between two refunds of one payment; the provider wants a minute."""
MAX_REFUNDS = 50
CHECK_PAUSE = timedelta(seconds=3)
"""Between two questions about one payment that a client may cause."""
GIVE_UP_AFTER = timedelta(minutes=10)
"""After the last request for a transfer that the provider does not know, before it may be given up."""
NAME_FROM_MINOR = 200_000
SMALLEST_TRANSFER_MINOR = 10


class Arrival(StrEnum):
    """What a provider's word about a payment means to us."""

    NOTHING = "nothing"
    REPEAT = "repeat"
    DIFFERENT = "different"
    FIRST = "first"


def judge_arrival(
    payment: Payment, *, is_paid: bool, amount_minor: int | None, currency: str, provider_no: str | None
) -> Arrival:
    """Return what to make of the provider's word: money counts once, and only when it is exactly what was asked for."""
    if not is_paid:
        return Arrival.NOTHING
    is_known = payment.state in (PaymentState.SUCCEEDED, PaymentState.HELD)
    if is_known and provider_no == payment.provider_no:
        return Arrival.REPEAT
    if is_known or provider_no is None:
        return Arrival.DIFFERENT
    is_right = amount_minor == payment.amount_minor and currency == payment.currency
    return Arrival.FIRST if is_right else Arrival.DIFFERENT


def has_ended(payment: Payment, *, now: datetime) -> bool:
    """Tell whether nobody is to pay it any more, so that the provider has to close it."""
    return payment.state is PaymentState.CLOSING or payment.expires_at + GRACE <= now


def double(first: timedelta, times: int) -> timedelta:
    """Return a wait that was doubled so many times, ten minutes at most."""
    return min(first * int(2 ** min(times, 10)), LONGEST_WAIT)


def next_look_at(payment: Payment, *, now: datetime) -> datetime:
    """Return when to ask about an open payment again: soon at first, ever later, and right after its end."""
    wait = double(FIRST_LOOK, payment.attempts)
    end = payment.expires_at + GRACE
    return min(now + wait, end) if end > now else now + wait


def next_try_at(attempts: int, *, now: datetime, first: timedelta = FIRST_LOOK) -> datetime:
    """Return when to try again what did not work: twice as long each time, ten minutes at most."""
    return now + double(first, attempts)


def decide_refund_turn(
    others: Sequence[tuple[RefundState, datetime | None]], *, now: datetime
) -> datetime | None:  # fmt: skip
    """Return None when a refund may be asked for now, else when. `others` are the payment's other refunds.

    Raises ValueError when the provider would take no more.
    """
    asked = [at for _, at in others if at is not None]
    if len(asked) >= MAX_REFUNDS:
        raise ValueError("too many refunds of one payment")
    free_at = max(asked, default=now - REFUND_PAUSE) + REFUND_PAUSE
    return free_at if free_at > now else None


def next_refund_number(out_no: str) -> str:
    """Return the number after one that the provider has closed: `…`, `…_2`, `…_3`."""
    head, sign, turn = out_no.rpartition("_")
    is_counted = bool(sign) and turn.isdigit() and len(turn) <= 3
    return f"{head}_{int(turn) + 1}" if is_counted else f"{out_no}_2"


def is_name_needed(provider: PayBy, *, amount_minor: int, is_logon_id: bool) -> bool:
    """Tell whether a transfer needs the recipient's name."""
    return is_logon_id if provider is PayBy.ALIPAY else amount_minor >= NAME_FROM_MINOR


def is_alipay_id(account: str) -> bool:
    """Tell whether an account is Alipay's own id of a person rather than a phone number or mail address."""
    return len(account) == 16 and account.isdigit() and account.startswith("2088")
