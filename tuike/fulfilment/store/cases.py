"""Rows of after-sale cases and refunds."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger, Integer, SmallInteger, Text

from tuike.db import Transaction
from tuike.fulfilment.model import Case, CaseKind, CaseLine, CaseState, RefundLine, RefundState, ShopRefund

_SELECT = """
    SELECT c.*, (SELECT json_agg(json_build_array(l.no, l.quantity, l.unshipped_quantity, l.amount_minor) ORDER BY l.no)
                 FROM after_sale_lines l WHERE l.case_id = c.id) AS lines
    FROM after_sale_cases c
"""

_ADD = text(
    """
    INSERT INTO after_sale_cases (id, order_id, shopper_id, merchant_id, kind, state, reason, description, pictures,
                                  goods_minor, freight_minor, deadline_at, created_at)
    VALUES (:id, :order_id, :shopper_id, :merchant_id, :kind, :state, :reason, :description, :pictures,
            :goods_minor, :freight_minor, :deadline_at, :created_at)
    """
).bindparams(bindparam("pictures", type_=ARRAY(Text)))

_ADD_LINES = text(
    """
    INSERT INTO after_sale_lines (case_id, no, quantity, unshipped_quantity, amount_minor)
    SELECT :case_id, line.no, line.quantity, line.unshipped, line.amount
    FROM jsonb_to_recordset(:lines) AS line (no smallint, quantity integer, unshipped integer, amount bigint)
    """
).bindparams(bindparam("lines", type_=JSONB))

_CHANGEABLE = frozenset({
    "state", "goods_minor", "freight_minor", "answer", "decided_by", "return_carrier", "return_tracking_no",
    "deadline_at", "decided_at", "ended_at",
})  # fmt: skip

_SELECT_REFUNDS = """
    SELECT r.*, o.payment_id, o.currency, o.payable_minor AS paid_minor
    FROM shop_refunds r JOIN shop_orders o ON o.id = r.order_id
"""

_ADD_REFUND = text(
    """
    INSERT INTO shop_refunds (id, order_id, case_id, line_nos, quantities, amounts, goods_minor, freight_minor, state,
                              created_at)
    VALUES (:id, :order_id, :case_id, :nos, :quantities, :amounts, :goods_minor, :freight_minor, 'due', :now)
    """
).bindparams(
    bindparam("nos", type_=ARRAY(SmallInteger)),
    bindparam("quantities", type_=ARRAY(Integer)),
    bindparam("amounts", type_=ARRAY(BigInteger)),
)


def add_case(tx: Transaction, case: Case) -> None:
    """Insert a case with its lines."""
    tx.execute(
        _ADD,
        {
            "id": case.id,
            "order_id": case.order_id,
            "shopper_id": case.shopper_id,
            "merchant_id": case.merchant_id,
            "kind": case.kind.value,
            "state": case.state.value,
            "reason": case.reason,
            "description": case.description,
            "pictures": list(case.pictures),
            "goods_minor": case.goods_minor,
            "freight_minor": case.freight_minor,
            "deadline_at": case.deadline_at,
            "created_at": case.created_at,
        },
    )
    lines = [
        {"no": x.no, "quantity": x.quantity, "unshipped": x.unshipped_quantity, "amount": x.amount_minor}
        for x in case.lines
    ]
    tx.execute(_ADD_LINES, {"case_id": case.id, "lines": lines})


def find_case(tx: Transaction, *, case_id: str) -> Case | None:
    """Return a case; its order's lock covers it."""
    row = tx.execute(text(f"{_SELECT} WHERE c.id = :id"), {"id": case_id}).one_or_none()
    return None if row is None else _case(row)


def list_cases(
    tx: Transaction,
    *,
    order_id: str | None = None,
    shopper_id: str | None = None,
    merchant_ids: Sequence[str] = (),
    state: CaseState | None = None,
    overdue_at: datetime | None = None,
    before: str | None = None,
    limit: int,
) -> list[Case]:
    """Return cases, newest first, before the id `before`."""
    conditions = {
        "order_id": ("c.order_id = :order_id", order_id),
        "shopper_id": ("c.shopper_id = :shopper_id", shopper_id),
        "merchant_ids": ("c.merchant_id = ANY (:merchant_ids)", list(merchant_ids) or None),
        "state": ("c.state = :state", None if state is None else state.value),
        "overdue_at": ("c.state IN ('requested', 'approved') AND c.deadline_at <= :overdue_at", overdue_at),
        "before": ("c.id < :before", before),
    }
    asked = {name: value for name, (_, value) in conditions.items() if value is not None}
    where = " AND ".join(conditions[name][0] for name in asked) or "true"
    rows = tx.execute(text(f"{_SELECT} WHERE {where} ORDER BY c.id DESC LIMIT :limit"), asked | {"limit": limit})
    return [_case(row) for row in rows]


def list_due_cases(tx: Transaction, *, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Return (order id, case id) of cases whose deadline is over and that decide themselves, the longest over first.

    A requested one does when none of its pieces had left.
    """
    rows = tx.execute(
        text(
            """
            SELECT c.order_id, c.id FROM after_sale_cases c
            WHERE c.state IN ('requested', 'approved') AND c.deadline_at <= :now
              AND (c.state = 'approved' OR NOT EXISTS (
                   SELECT 1 FROM after_sale_lines l WHERE l.case_id = c.id AND l.unshipped_quantity < l.quantity))
            ORDER BY c.deadline_at, c.id LIMIT :limit
            """
        ),
        {"now": now, "limit": limit},
    )
    return [(row.order_id, row.id) for row in rows]


def count_cases(tx: Transaction, *, order_id: str) -> int:
    """Return how many cases an order has had."""
    return int(
        tx.execute(text("SELECT count(*) FROM after_sale_cases WHERE order_id = :id"), {"id": order_id}).scalar_one()
    )


def change_case(tx: Transaction, *, case_id: str, **changes: Any) -> None:
    """Write changes of a case, whose order is locked."""
    assert changes.keys() <= _CHANGEABLE, changes
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    values = {name: value.value if isinstance(value, StrEnum) else value for name, value in changes.items()}
    tx.execute(
        text(f"UPDATE after_sale_cases SET {assignments}version = version + 1 WHERE id = :id"),
        {"id": case_id, **values},
    )


def set_line_amounts(tx: Transaction, *, case_id: str, amounts: dict[int, int]) -> None:
    """Write what is given back of a case's lines."""
    for no, amount in amounts.items():
        tx.execute(
            text("UPDATE after_sale_lines SET amount_minor = :amount WHERE case_id = :id AND no = :no"),
            {"id": case_id, "no": no, "amount": amount},
        )


def add_refund(tx: Transaction, *, refund_id: str, case: Case, now: datetime) -> None:
    """Insert the refund that a case leads to."""
    tx.execute(
        _ADD_REFUND,
        {
            "id": refund_id,
            "order_id": case.order_id,
            "case_id": case.id,
            "nos": [x.no for x in case.lines],
            "quantities": [x.quantity for x in case.lines],
            "amounts": [x.amount_minor for x in case.lines],
            "goods_minor": case.goods_minor,
            "freight_minor": case.freight_minor,
            "now": now,
        },
    )


def find_refund(tx: Transaction, *, refund_id: str | None = None, case_id: str | None = None) -> ShopRefund | None:
    """Return a refund by its id or its case."""
    column, value = ("r.id", refund_id) if refund_id is not None else ("r.case_id", case_id)
    row = tx.execute(text(f"{_SELECT_REFUNDS} WHERE {column} = :value"), {"value": value}).one_or_none()
    return None if row is None else _refund(row)


def list_refunds(
    tx: Transaction, *, states: Sequence[RefundState] = (), order_id: str | None = None, limit: int
) -> list[ShopRefund]:
    """Return refunds, oldest first."""
    conditions, parameters = ["true"], {"limit": limit}
    if states:
        conditions.append("r.state = ANY (:states)")
        parameters["states"] = [state.value for state in states]  # type: ignore[assignment]
    if order_id is not None:
        conditions.append("r.order_id = :order_id")
        parameters["order_id"] = order_id  # type: ignore[assignment]
    rows = tx.execute(
        text(f"{_SELECT_REFUNDS} WHERE {' AND '.join(conditions)} ORDER BY r.id LIMIT :limit"), parameters
    )
    return [_refund(row) for row in rows]


def set_refund(
    tx: Transaction, *, refund_id: str, state: RefundState, failure: str | None = None, now: datetime
) -> None:
    """Write how far a refund is."""
    column = {RefundState.SENT: "sent_at", RefundState.SUCCEEDED: "finished_at"}.get(state)
    moment = "" if column is None else f", {column} = :now"
    tx.execute(
        text(f"UPDATE shop_refunds SET state = :state, failure = :failure{moment} WHERE id = :id"),
        {"id": refund_id, "state": state.value, "failure": failure, "now": now},
    )


def _case(row: Row[Any]) -> Case:
    return Case(
        id=row.id,
        order_id=row.order_id,
        shopper_id=row.shopper_id,
        merchant_id=row.merchant_id,
        kind=CaseKind(row.kind),
        state=CaseState(row.state),
        reason=row.reason,
        description=row.description,
        pictures=tuple(row.pictures),
        goods_minor=row.goods_minor,
        freight_minor=row.freight_minor,
        answer=row.answer,
        decided_by=row.decided_by,
        return_carrier=row.return_carrier,
        return_tracking_no=row.return_tracking_no,
        deadline_at=row.deadline_at,
        created_at=row.created_at,
        decided_at=row.decided_at,
        ended_at=row.ended_at,
        version=row.version,
        lines=tuple(CaseLine(*one) for one in row.lines),
    )


def _refund(row: Row[Any]) -> ShopRefund:
    return ShopRefund(
        id=row.id,
        order_id=row.order_id,
        case_id=row.case_id,
        payment_id=row.payment_id,
        currency=row.currency,
        paid_minor=row.paid_minor,
        goods_minor=row.goods_minor,
        freight_minor=row.freight_minor,
        state=RefundState(row.state),
        failure=row.failure,
        created_at=row.created_at,
        sent_at=row.sent_at,
        finished_at=row.finished_at,
        lines=tuple(RefundLine(*one) for one in zip(row.line_nos, row.quantities, row.amounts, strict=True)),
    )
