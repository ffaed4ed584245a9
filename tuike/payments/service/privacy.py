"""What payments know of a person, and forgetting it. `tuike.people` joins it with what other capabilities know."""

from typing import Any

from tuike.db import Transaction
from tuike.payments.store import privacy as store
from tuike.shared.clock import format_instant

ERASED = ("the payer's id with the provider", "the payee of payouts")
"""What `forget_shopper` takes away."""


def export_shopper(tx: Transaction, *, shopper_id: str, promoter_id: str | None = None) -> dict[str, Any]:
    """Return, ready for JSON, the payments of a shopper's orders and the payouts of the promoter's withdrawals."""
    return {
        "payments": [
            {
                "id": one.id,
                "order_id": one.order_id,
                "provider": one.provider.value,
                "payer_id": one.payer_id,
                "amount_minor": one.amount_minor,
                "currency": one.currency,
                "state": one.state.value,
                "provider_no": one.provider_no,
                "paid_at": None if one.paid_at is None else format_instant(one.paid_at),
            }
            for one in store.iter_payments(tx, shopper_id=shopper_id)
        ],
        "payouts": [
            {
                "id": one.id,
                "withdrawal_id": one.withdrawal_id,
                "provider": one.provider.value,
                "payee_id": one.payee_id,
                "amount_minor": one.amount_minor,
                "currency": one.currency,
                "state": one.state.value,
                "created_at": format_instant(one.created_at),
            }
            for one in ([] if promoter_id is None else store.iter_payouts(tx, promoter_id=promoter_id))
        ],
    }


def forget_shopper(tx: Transaction, *, shopper_id: str, promoter_id: str | None = None) -> None:
    """Take out of payments and payouts that are over who paid and who was paid; numbers and amounts stay."""
    store.forget_payer(tx, shopper_id=shopper_id)
    if promoter_id is not None:
        store.forget_payee(tx, promoter_id=promoter_id)
