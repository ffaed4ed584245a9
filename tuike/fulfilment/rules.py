"""Decisions about orders on their way: what is allowed when, and how much goes back. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from tuike.fulfilment.model import (
    AfterSaleOver,
    Case,
    CaseKind,
    CaseLine,
    CaseState,
    Claim,
    ClaimExceedsPaid,
    OrderState,
    Pieces,
    PiecesExceeded,
    ShopLine,
    ShopOrder,
    WrongState,
)
from tuike.shared import money
from tuike.shared.errors import ValidationFailed

PAY_WITHIN = timedelta(minutes=30)
STOCK_GRACE = timedelta(minutes=15)
"""Pieces stay reserved this much longer than an order may be paid, so that a payment at the last moment finds them."""
RECEIVE_WITHIN = timedelta(days=10)
"""An order counts as received so long after its last parcel left, unless a case is open."""
RECEIVE_AFTER_CASE = timedelta(days=3)
AFTER_SALE_WITHIN = timedelta(days=7)
"""After-sale is open until so long after the receipt."""
ANSWER_WITHIN = timedelta(days=3)
RETURN_WITHIN = timedelta(days=7)
MAX_CASES = 20
MAX_PICTURES = 9
MAX_EXPORTED = 10_000

_NEXT = {
    OrderState.UNPAID: (OrderState.TO_SHIP, OrderState.CLOSED),
    OrderState.TO_SHIP: (OrderState.SHIPPED, OrderState.CLOSED),
    OrderState.SHIPPED: (OrderState.COMPLETED, OrderState.CLOSED),
    OrderState.COMPLETED: (),
    OrderState.CLOSED: (),
}
_ACTIONS = {
    OrderState.UNPAID: ("pay", "close"),
    OrderState.TO_SHIP: ("ship", "after_sale"),
    OrderState.SHIPPED: ("receive", "after_sale"),
    OrderState.COMPLETED: ("after_sale",),
    OrderState.CLOSED: (),
}
OPEN_CASES = (CaseState.REQUESTED, CaseState.APPROVED, CaseState.RETURNING, CaseState.RECEIVED_BACK)
_CASE_NEXT = {
    CaseState.REQUESTED: (CaseState.APPROVED, CaseState.REJECTED, CaseState.CANCELLED),
    CaseState.APPROVED: (CaseState.RETURNING, CaseState.RECEIVED_BACK, CaseState.REFUNDED, CaseState.CANCELLED),
    CaseState.RETURNING: (CaseState.RECEIVED_BACK, CaseState.REJECTED),
    CaseState.RECEIVED_BACK: (CaseState.REFUNDED,),
    CaseState.REJECTED: (),
    CaseState.REFUNDED: (),
    CaseState.CANCELLED: (),
}


def make_number(count: int, *, now: datetime) -> str:
    """Return the `count`-th order number: the day, and eight digits that do not tell how many there were before.

    The digits are `count` times a number coprime to 10⁸, so no two of 100 million numbers in a row are the same.
    """
    return f"{now:%y%m%d}{count * 61_803_399 % 100_000_000:08d}"


def list_actions(order: ShopOrder) -> tuple[str, ...]:
    """Return what may be done with an order now."""
    actions = _ACTIONS[order.state]
    return tuple(one for one in actions if not (one == "receive" and order.in_after_sale))


def check_state(order: ShopOrder, *allowed: OrderState) -> None:
    """Raise WrongState, saying what is allowed, unless the order is in one of the states."""
    if order.state not in allowed:
        may = ", ".join(list_actions(order)) or "nothing"
        raise WrongState(f"The order is {order.state}; allowed now: {may}.", fields={"state": [order.state.value]})


def check_step(before: OrderState, after: OrderState) -> None:
    """Raise WrongState unless an order may go from one state to the other."""
    if after not in _NEXT[before]:
        raise WrongState(f"An order that is {before} cannot become {after}.", fields={"state": [before.value]})


def check_case_step(case: Case, after: CaseState) -> None:
    """Raise WrongState, saying what is allowed, unless a case may go on to a state."""
    if after not in _CASE_NEXT[case.state]:
        refuse_case_step(case, after)


def refuse_case_step(case: Case, after: CaseState) -> NoReturn:
    """Raise WrongState, saying what the case is."""
    raise WrongState(
        f"A case ({case.kind}) that is {case.state} cannot become {after}.", fields={"state": [case.state.value]}
    )


def decide_parcel(order: ShopOrder, wanted: Sequence[Pieces] | None) -> tuple[Pieces, ...]:
    """Return what goes into a parcel: the pieces named, or everything left. Raises PiecesExceeded, ValidationFailed."""
    if wanted is None:
        left = tuple(Pieces(line.no, line.to_ship_quantity) for line in order.lines if line.to_ship_quantity)
        if not left:
            raise PiecesExceeded("Nothing is left to ship: after-sale holds the rest.")
        return left
    if not wanted:
        raise ValidationFailed(fields={"lines": ["A parcel has at least one line."]})
    _refuse_repeats([one.no for one in wanted])
    lines = {line.no: line for line in order.lines}
    for index, one in enumerate(wanted):
        room = lines[one.no].to_ship_quantity if one.no in lines else 0
        if one.no not in lines:
            raise ValidationFailed(fields={f"lines.{index}.no": ["The order has no such line."]})
        if one.quantity < 1:
            raise ValidationFailed(fields={f"lines.{index}.quantity": ["Must be 1 or more."]})
        if one.quantity > room:
            raise PiecesExceeded(fields={f"lines.{index}.quantity": [f"Only {room} are left to ship."]})
    return tuple(sorted(wanted, key=lambda one: one.no))


def decide_progress(order: ShopOrder, cases: Sequence[Case]) -> OrderState:
    """Return the state of a paid order that is not received yet, from its pieces and its cases.

    Without any piece left to ship it is `shipped`; but it waits while a case that may be turned down holds pieces that
    did not leave, and when none left at all, until their money went back. All money back before the receipt closes it.
    """
    open_cases = [case for case in cases if case.state in OPEN_CASES]
    if order.state is OrderState.TO_SHIP:
        has_left = any(line.shipped_quantity for line in order.lines)
        holding = [case for case in open_cases if any(line.unshipped_quantity for line in case.lines)]
        if any(line.to_ship_quantity for line in order.lines):
            return OrderState.TO_SHIP
        if any(case.state is CaseState.REQUESTED or not has_left for case in holding):
            return OrderState.TO_SHIP
        if not has_left:
            return OrderState.CLOSED
    if order.state in {OrderState.TO_SHIP, OrderState.SHIPPED}:
        gone = not open_cases and not any(line.left_minor for line in order.lines)
        return OrderState.CLOSED if gone else OrderState.SHIPPED
    return order.state


def share_of_line(line: ShopLine, quantity: int) -> int:
    """Return what `quantity` of the unclaimed pieces cost; the last of them take what flooring left behind."""
    if quantity >= line.left_quantity:
        return line.left_minor
    return money.scale_down(line.left_minor, quantity, line.left_quantity)


def decide_claims(order: ShopOrder, kind: CaseKind, claims: Sequence[Claim]) -> tuple[CaseLine, ...]:
    """Return what a case asks back, line by line.

    Before everything has left, pieces are claimed at their full price, because they will not come; afterwards less may
    be agreed on, and money without pieces. Pieces that have not left are given up first.
    Raises ValidationFailed, PiecesExceeded, ClaimExceedsPaid, each naming the field.
    """
    if not claims:
        raise ValidationFailed(fields={"lines": ["Name at least one line."]})
    _refuse_repeats([one.no for one in claims])
    lines = {line.no: line for line in order.lines}
    decided = []
    for index, claim in enumerate(claims):
        if claim.no not in lines:
            raise ValidationFailed(fields={f"lines.{index}.no": ["The order has no such line."]})
        decided.append(_decide_claim(order, kind, lines[claim.no], claim, at=f"lines.{index}"))
    if not any(one.amount_minor for one in decided):
        raise ValidationFailed(fields={"lines": ["There is no money to give back for this."]})
    return tuple(sorted(decided, key=lambda one: one.no))


def _decide_claim(order: ShopOrder, kind: CaseKind, line: ShopLine, claim: Claim, *, at: str) -> CaseLine:
    whole = order.state is OrderState.TO_SHIP
    if claim.quantity < 0 or (claim.quantity == 0 and (whole or kind is CaseKind.RETURN_AND_REFUND)):
        raise ValidationFailed(fields={f"{at}.quantity": ["Must be 1 or more."]})
    if claim.quantity > line.left_quantity:
        raise PiecesExceeded(fields={f"{at}.quantity": [f"Only {line.left_quantity} can be claimed."]})
    unshipped = min(claim.quantity, line.to_ship_quantity)
    if kind is CaseKind.RETURN_AND_REFUND:
        unshipped = 0
        if claim.quantity > line.shipped_quantity - _claimed_after_shipping(line):
            raise PiecesExceeded(fields={f"{at}.quantity": ["Pieces that were not shipped cannot be sent back."]})
    share = share_of_line(line, claim.quantity) if claim.quantity else line.left_minor
    amount = share if claim.amount_minor is None and claim.quantity else claim.amount_minor
    if amount is None or amount < 0 or (amount == 0 and not claim.quantity):
        raise ValidationFailed(fields={f"{at}.amount_minor": ["Say how much."]})
    if amount > share:
        raise ClaimExceedsPaid(fields={f"{at}.amount_minor": [f"At most {share} for these pieces."]})
    if whole and amount != share:
        raise ValidationFailed(fields={f"{at}.amount_minor": [f"These pieces cost {share}; leave the amount out."]})
    return CaseLine(claim.no, claim.quantity, unshipped, amount)


def _claimed_after_shipping(line: ShopLine) -> int:
    return line.claimed_quantity - line.cancelled_quantity


def decide_freight(order: ShopOrder, lines: Sequence[CaseLine]) -> int:
    """Return the freight that goes back with a case: all of it with the last piece of an order of which none left."""
    asked = {one.no: one for one in lines}
    if order.state is not OrderState.TO_SHIP or any(line.shipped_quantity for line in order.lines):
        return 0
    whole = all(line.left_quantity == (asked[line.no].quantity if line.no in asked else 0) for line in order.lines)
    return order.freight_minor - order.claimed_freight_minor if whole else 0


def check_after_sale(order: ShopOrder, *, now: datetime) -> None:
    """Raise WrongState for an unpaid or closed order, AfterSaleOver when the days after the receipt are over."""
    check_state(order, OrderState.TO_SHIP, OrderState.SHIPPED, OrderState.COMPLETED)
    if order.completed_at is not None and now > order.completed_at + AFTER_SALE_WITHIN:
        raise AfterSaleOver


def describe(lines: Sequence[ShopLine]) -> str:
    """Return an order's goods in a few words, for payment and shipping: at most 40 characters."""
    name = lines[0].name if len(lines[0].name) <= 30 else f"{lines[0].name[:29]}…"
    return name if len(lines) == 1 else f"{name} 等{len(lines)}种"


def mask_phone(phone: str) -> str:
    """Return a phone number with its middle hidden: `138****1234`."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "****"


def _refuse_repeats(numbers: Sequence[int]) -> None:
    for index, no in enumerate(numbers):
        if no in numbers[:index]:
            raise ValidationFailed(fields={f"lines.{index}.no": ["Is named twice."]})
