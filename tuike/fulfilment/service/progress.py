"""How an order goes on by itself when its pieces or its cases changed."""

from datetime import datetime

from tuike.db import Transaction
from tuike.fulfilment import rules
from tuike.fulfilment.model import CloseReason, OrderState
from tuike.fulfilment.service.orders import get_order
from tuike.fulfilment.store import cases as case_store
from tuike.fulfilment.store import orders as store


def settle_progress(tx: Transaction, *, order_id: str, now: datetime) -> None:
    """Bring a locked order to the state that its pieces and cases say."""
    order = get_order(tx, order_id=order_id)
    after = rules.decide_progress(order, case_store.list_cases(tx, order_id=order_id, limit=rules.MAX_CASES))
    if after is order.state:
        return
    rules.check_step(order.state, after)
    if after is OrderState.SHIPPED:
        store.change_order(
            tx, order, "shipped", made_by="system", now=now, state=after, shipped_at=now,
            receive_by=now + rules.RECEIVE_WITHIN,
        )  # fmt: skip
    elif after is OrderState.CLOSED:
        store.change_order(
            tx, order, "closed", made_by="system", detail={"reason": CloseReason.REFUNDED.value}, now=now,
            state=after, closed_at=now, close_reason=CloseReason.REFUNDED.value,
        )  # fmt: skip
