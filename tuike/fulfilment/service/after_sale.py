"""After-sale: a shopper asks pieces or money back, staff answers, and a refund follows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tuike import catalog
from tuike.db import Database, Transaction
from tuike.fulfilment import rules
from tuike.fulfilment.model import (
    Case,
    CaseKind,
    CaseLine,
    CaseNotFound,
    CaseState,
    Claim,
    ClaimExceedsPaid,
    ShopOrder,
    TooManyCases,
)
from tuike.fulfilment.service.orders import lock_order
from tuike.fulfilment.service.progress import settle_progress
from tuike.fulfilment.service.refunds import owe_refund
from tuike.fulfilment.store import cases as store
from tuike.fulfilment.store import orders as order_store
from tuike.shared import ids
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import Page, decode_cursor, encode_cursor

_AT_ONCE = 200


def open_case(
    tx: Transaction,
    *,
    order_id: str,
    shopper_id: str | None,
    kind: CaseKind,
    claims: Sequence[Claim],
    reason: str,
    description: str = "",
    pictures: Sequence[str] = (),
    made_by: str,
    now: datetime,
) -> Case:
    """Ask pieces or money of a paid order back. Pieces that have not left are held until the case is decided.

    Raises OrderNotFound, WrongState, AfterSaleOver, TooManyCases, PiecesExceeded, ClaimExceedsPaid, ValidationFailed.
    """
    order = lock_order(tx, order_id=order_id, shopper_id=shopper_id)
    rules.check_after_sale(order, now=now)
    if len(pictures) > rules.MAX_PICTURES:
        raise ValidationFailed(fields={"pictures": [f"At most {rules.MAX_PICTURES}."]})
    if store.count_cases(tx, order_id=order_id) >= rules.MAX_CASES:
        raise TooManyCases
    lines = rules.decide_claims(order, kind, claims)
    freight = rules.decide_freight(order, lines)
    case = Case(
        id=ids.new_id("case"),
        order_id=order_id,
        shopper_id=order.shopper_id,
        merchant_id=order.merchant_id,
        kind=kind,
        state=CaseState.REQUESTED,
        reason=reason,
        description=description,
        pictures=tuple(pictures),
        goods_minor=sum(line.amount_minor for line in lines),
        freight_minor=freight,
        answer="",
        decided_by=None,
        return_carrier=None,
        return_tracking_no=None,
        deadline_at=now + rules.ANSWER_WITHIN,
        created_at=now,
        decided_at=None,
        ended_at=None,
        version=1,
        lines=lines,
    )
    store.add_case(tx, case)
    if pictures:
        catalog.keep_pictures(tx, names=pictures, used_by=case.id)
    _hold(tx, order_id=order_id, lines=lines, sign=1)
    _note(
        tx, order, case, made_by=made_by, now=now, opened=1, freight=freight,
    )  # fmt: skip
    return case


def approve_case(
    tx: Transaction,
    *,
    case_id: str,
    amounts: Mapping[int, int] | None = None,
    freight_minor: int | None = None,
    answer: str = "",
    decided_by: str,
    now: datetime,
) -> Case:
    """Agree to a case, on smaller amounts by line or other freight if given; approving again changes nothing.

    Money goes back at once, or after the goods came back when they have to.
    Raises CaseNotFound, WrongState, ClaimExceedsPaid, ValidationFailed.
    """
    order, case = _lock(tx, case_id)
    if case.state in {CaseState.APPROVED, CaseState.RETURNING, CaseState.RECEIVED_BACK, CaseState.REFUNDED}:
        return case
    rules.check_case_step(case, CaseState.APPROVED)
    agreed = _agree(order, case, amounts or {}, freight_minor)
    _write_agreed(tx, order, case, agreed)
    returns = case.kind is CaseKind.RETURN_AND_REFUND
    store.change_case(
        tx, case_id=case_id, state=CaseState.APPROVED, goods_minor=agreed.goods_minor,
        freight_minor=agreed.freight_minor, answer=answer, decided_by=decided_by, decided_at=now,
        deadline_at=now + rules.RETURN_WITHIN if returns else None,
    )  # fmt: skip
    approved = get_case(tx, case_id=case_id)
    _note(
        tx, order, approved, made_by=decided_by, now=now, freight=agreed.freight_minor - case.freight_minor
    )  # fmt: skip
    if not returns:
        owe_refund(tx, approved, now=now)
        settle_progress(tx, order_id=order.id, now=now)
    return approved


def reject_case(tx: Transaction, *, case_id: str, answer: str, decided_by: str, now: datetime) -> Case:
    """Turn a case down, also one whose goods came back not as agreed; rejecting again changes nothing.

    Raises CaseNotFound, WrongState.
    """
    return _end(tx, case_id, CaseState.REJECTED, answer=answer, made_by=decided_by, now=now)


def cancel_case(tx: Transaction, *, case_id: str, shopper_id: str | None, made_by: str, now: datetime) -> Case:
    """Take a case back, before it is decided or before its goods were sent; a second time changes nothing.

    Raises CaseNotFound (another shopper's too), WrongState.
    """
    case = get_case(tx, case_id=case_id, shopper_id=shopper_id)
    return _end(tx, case.id, CaseState.CANCELLED, answer=case.answer, made_by=made_by, now=now)


def send_back(tx: Transaction, *, case_id: str, shopper_id: str, carrier: str, tracking_no: str, now: datetime) -> Case:
    """Record how the shopper sends the goods of an approved case back; it may be corrected until they arrived.

    Raises CaseNotFound, WrongState.
    """
    get_case(tx, case_id=case_id, shopper_id=shopper_id)
    order, case = _lock(tx, case_id)
    if case.state is not CaseState.RETURNING:
        _refuse_refund_only(case, CaseState.RETURNING)
        rules.check_case_step(case, CaseState.RETURNING)
    elif (case.return_carrier, case.return_tracking_no) == (carrier, tracking_no):
        return case
    store.change_case(
        tx, case_id=case_id, state=CaseState.RETURNING, return_carrier=carrier, return_tracking_no=tracking_no,
        deadline_at=None,
    )  # fmt: skip
    sent = get_case(tx, case_id=case_id)
    _note(tx, order, sent, made_by=shopper_id, now=now)
    return sent


def receive_back(tx: Transaction, *, case_id: str, made_by: str, now: datetime) -> Case:
    """Record that the goods of a case came back, so that the money goes back; a second time changes nothing.

    Raises CaseNotFound, WrongState.
    """
    order, case = _lock(tx, case_id)
    if case.state in {CaseState.RECEIVED_BACK, CaseState.REFUNDED}:
        return case
    _refuse_refund_only(case, CaseState.RECEIVED_BACK)
    rules.check_case_step(case, CaseState.RECEIVED_BACK)
    store.change_case(tx, case_id=case_id, state=CaseState.RECEIVED_BACK, deadline_at=None)
    back = get_case(tx, case_id=case_id)
    _note(tx, order, back, made_by=made_by, now=now)
    owe_refund(tx, back, now=now)
    return back


def get_case(tx: Transaction, *, case_id: str, shopper_id: str | None = None) -> Case:
    """Return a case, of this shopper if one is named. Raises CaseNotFound, for another shopper's case too."""
    case = store.find_case(tx, case_id=case_id)
    if case is None or (shopper_id is not None and case.shopper_id != shopper_id):
        raise CaseNotFound
    return case


def list_cases(
    tx: Transaction,
    *,
    order_id: str | None = None,
    shopper_id: str | None = None,
    merchant_ids: Sequence[str] = (),
    state: CaseState | None = None,
    overdue_at: datetime | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Case]:
    """Return a page of cases, newest first; with `overdue_at`, those whose deadline was over then."""
    found = store.list_cases(
        tx, order_id=order_id, shopper_id=shopper_id, merchant_ids=merchant_ids, state=state, overdue_at=overdue_at,
        before=decode_cursor(cursor, str)[0] if cursor else None, limit=limit + 1,
    )  # fmt: skip
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def end_due_cases(db: Database, *, now: datetime) -> int:
    """Decide the cases that waited too long, and return how many.

    Nobody answered: approved when all its pieces are still here, else it goes on waiting and shows as overdue. The
    shopper did not send the goods back: cancelled.
    """
    with db.transaction() as tx:
        due = store.list_due_cases(tx, now=now, limit=_AT_ONCE)
    done = 0
    for _, case_id in due:
        with db.transaction() as tx:
            _, case = _lock(tx, case_id)
            if case.deadline_at is None or case.deadline_at > now:
                continue
            if case.state is CaseState.APPROVED:
                _end(tx, case_id, CaseState.CANCELLED, answer=case.answer, made_by="system", now=now)
            else:
                approve_case(tx, case_id=case_id, decided_by="system", now=now)
            done += 1
    return done


def _agree(order: ShopOrder, case: Case, amounts: Mapping[int, int], freight_minor: int | None) -> Case:
    """Return a case as staff agrees to it: no line gets more than was asked, freight no more than is left."""
    asked = {line.no: line for line in case.lines}
    for no, amount in amounts.items():
        if no not in asked:
            raise ValidationFailed(fields={"lines": [f"The case has no line {no}."]})
        if not 0 <= amount <= asked[no].amount_minor:
            raise ClaimExceedsPaid(fields={"lines": [f"Line {no}: at most {asked[no].amount_minor} was asked for."]})
        if asked[no].unshipped_quantity and amount != asked[no].amount_minor:
            raise ValidationFailed(fields={"lines": [f"Line {no}: pieces that are not sent go back at their price."]})
    lines = tuple(replace(line, amount_minor=amounts.get(line.no, line.amount_minor)) for line in case.lines)
    room = order.freight_minor - order.claimed_freight_minor + case.freight_minor
    freight = case.freight_minor if freight_minor is None else freight_minor
    if not 0 <= freight <= room:
        raise ClaimExceedsPaid(fields={"freight_minor": [f"At most {room}."]})
    goods = sum(line.amount_minor for line in lines)
    if goods == 0:
        raise ValidationFailed(fields={"lines": ["Reject the case to give nothing back."]})
    return replace(case, lines=lines, goods_minor=goods, freight_minor=freight)


def _write_agreed(tx: Transaction, order: ShopOrder, case: Case, agreed: Case) -> None:
    changed = {
        new.no: new.amount_minor
        for old, new in zip(case.lines, agreed.lines, strict=True)
        if old.amount_minor != new.amount_minor
    }
    if not changed:
        return
    store.set_line_amounts(tx, case_id=case.id, amounts=changed)
    before = {line.no: line.amount_minor for line in case.lines}
    order_store.add_to_lines(
        tx, order_id=order.id, nos=list(changed), minor=[amount - before[no] for no, amount in changed.items()]
    )


def _end(tx: Transaction, case_id: str, after: CaseState, *, answer: str, made_by: str, now: datetime) -> Case:
    """End a case without a refund: what it claimed and held is free again."""
    order, case = _lock(tx, case_id)
    if case.state is after:
        return case
    if case.state is CaseState.APPROVED:
        _refuse_refund_only(case, after)
    rules.check_case_step(case, after)
    changes = {"decided_by": made_by, "decided_at": now} if after is CaseState.REJECTED else {}
    store.change_case(tx, case_id=case_id, state=after, answer=answer, ended_at=now, deadline_at=None, **changes)
    _hold(tx, order_id=order.id, lines=case.lines, sign=-1)
    ended = get_case(tx, case_id=case_id)
    _note(tx, order, ended, made_by=made_by, now=now, opened=-1, freight=-case.freight_minor)
    settle_progress(tx, order_id=order.id, now=now)
    return ended


def _refuse_refund_only(case: Case, after: CaseState) -> None:
    """Raise WrongState where a refund-only case has no such step: its money is on its way from the approval on."""
    if case.kind is CaseKind.REFUND_ONLY:
        rules.refuse_case_step(case, after)


def _hold(tx: Transaction, *, order_id: str, lines: Sequence[CaseLine], sign: int) -> None:
    order_store.add_to_lines(
        tx,
        order_id=order_id,
        nos=[line.no for line in lines],
        cancelled=[sign * line.unshipped_quantity for line in lines],
        claimed=[sign * line.quantity for line in lines],
        minor=[sign * line.amount_minor for line in lines],
    )


def _lock(tx: Transaction, case_id: str) -> tuple[ShopOrder, Case]:
    """Return a case with its order, locked; the case is read again under the lock."""
    order = lock_order(tx, order_id=get_case(tx, case_id=case_id).order_id)
    return order, get_case(tx, case_id=case_id)


def _note(
    tx: Transaction, order: ShopOrder, case: Case, *, made_by: str, now: datetime, opened: int = 0, freight: int = 0
) -> None:
    """Give the order its next version for a change of a case; when the last one ends, the receipt gets time again."""
    changes: dict[str, object] = {
        "open_cases": order.open_cases + opened,
        "claimed_freight_minor": order.claimed_freight_minor + freight,
    }
    if opened < 0 and order.receive_by is not None:
        changes["receive_by"] = max(order.receive_by, now + rules.RECEIVE_AFTER_CASE)
    order_store.change_order(
        tx, order, f"case_{case.state}", made_by=made_by, detail={"case_id": case.id}, now=now, **changes
    )
