"""Verbs about one person."""

from datetime import datetime
from typing import Any

from tuike import attribution, cart, fulfilment, identity, offers, orders, payments, risk, team, wallet
from tuike.db import Transaction
from tuike.identity import AgreementKind, ShopperStatus, Vault
from tuike.orders import Order
from tuike.people import rules, store
from tuike.people.model import AlreadyPromoter, BannedByCase, ErasureBlocked, ErasureResult, PersonBanned, PersonErased
from tuike.shared.clock import format_instant
from tuike.team import PromoterStatus

BANNED = "person banned"
"""Why a promoter was suspended, as the journal keeps it: the person is banned."""

_KEPT = (
    "orders, refunds and their amounts, under the id",
    "vouchers, commissions and withdrawals, without payout account",
    "touches and bindings in the journal and the graph, under the id",
    "accepted agreements and consents, under the id",
    "goods, amounts, regions and states of shop orders, parcels and after-sale cases; coupons; under the id",
    "numbers and amounts of payments and payouts; the providers' bills, as every book-keeping has to",
)
_ERASED = (
    *identity.ERASED, "digests of devices and network addresses", "cart", "address book", *fulfilment.ERASED,
    *payments.ERASED,
)  # fmt: skip
_ERASED_OF_PROMOTER = ("promoter's name", "payout accounts")


def become_promoter(
    tx: Transaction, *, user_id: str, name: str | None = None, invite_code: str | None = None, now: datetime
) -> team.Promoter:
    """Make a shopper a promoter, below whoever's invite code is given; `external_id` is the shopper's id.

    Raises AgreementNeeded until the newest promoter agreement is accepted, AlreadyPromoter, InviterNotFound,
    ShopperNotFound, AccountBanned.
    """
    identity.lock_shopper(tx, shopper_id=user_id)
    identity.check_agreements(tx, shopper_id=user_id, kinds=(AgreementKind.PROMOTER,))
    if identity.get_shopper(tx, shopper_id=user_id).status is identity.ShopperStatus.BANNED:
        raise identity.AccountBanned  # since the request came in
    if store.find_promoter(tx, user_id=user_id) is not None:
        raise AlreadyPromoter
    inviter_id = None
    if invite_code is not None:
        inviter_id = team.find_by_invite_code(tx, invite_code=invite_code)
        if inviter_id is None:
            raise team.InviterNotFound(fields={"invite_code": ["Belongs to no promoter."]})
    shopper = identity.get_shopper(tx, shopper_id=user_id)
    return team.create_promoter(
        tx, external_id=user_id, name=name or shopper.nickname or user_id, inviter_id=inviter_id, level=1, now=now
    )


def change_person_status(
    tx: Transaction, *, user_id: str, status: ShopperStatus | str, reason: str | None, now: datetime
) -> identity.Shopper:
    """Ban a shopper, or take the ban back; the promoter the shopper has become is suspended and active with it.

    Every session of a banned shopper ends. Taking a ban back makes the promoter active only where the ban was what
    suspended it. Raises ShopperNotFound, ValidationFailed, BannedByCase.
    """
    if status == ShopperStatus.ACTIVE:
        identity.lock_shopper(tx, shopper_id=user_id)  # whoever bans the person by a case comes before or after
        case_id = risk.find_lock_out(tx, person_id=user_id)
        if case_id is not None:
            raise BannedByCase(case_id)
    shopper = identity.change_shopper_status(tx, shopper_id=user_id, status=status, reason=reason, now=now)
    promoter = store.find_promoter(tx, user_id=user_id)
    if promoter is None:
        return shopper
    if shopper.status is ShopperStatus.BANNED:
        team.change_status(tx, promoter_id=promoter.id, status=PromoterStatus.SUSPENDED, reason=BANNED, now=now)
    elif team.find_status_reason(tx, promoter_id=promoter.id) == BANNED:
        team.change_status(tx, promoter_id=promoter.id, status=PromoterStatus.ACTIVE, reason="ban lifted", now=now)
    return shopper


def change_promoter_status(
    tx: Transaction, *, promoter_id: str, status: PromoterStatus | str, reason: str, now: datetime
) -> None:
    """Suspend a promoter or let one back in, unless a ban of the person or of a risk case keeps it out.

    Nor is anybody let in whose person had the account erased. Raises PromoterNotFound, ValidationFailed, PersonBanned,
    PersonErased, BannedByCase.
    """
    if status == PromoterStatus.ACTIVE:
        _refuse_while_banned(tx, promoter_id)
    team.change_status(tx, promoter_id=promoter_id, status=status, reason=reason, now=now)


def _refuse_while_banned(tx: Transaction, promoter_id: str) -> None:
    person_id = team.find_external_id(tx, promoter_id=promoter_id)
    status = None if person_id is None else identity.lock_status(tx, shopper_id=person_id)
    if person_id is not None and status is ShopperStatus.BANNED:
        case_id = risk.find_lock_out(tx, person_id=person_id)
        raise PersonBanned if case_id is None else BannedByCase(case_id)
    if status is ShopperStatus.ERASED:
        raise PersonErased
    team.lock_status(tx, promoter_id=promoter_id)  # a ban under way comes first, and is then seen
    case_id = risk.find_ban(tx, promoter_id=promoter_id)
    if case_id is not None:
        raise BannedByCase(case_id)


def find_promoter_id(tx: Transaction, *, user_id: str) -> str | None:
    """Return the id of the promoter that a shopper has become, None for one who has not."""
    row = store.find_promoter(tx, user_id=user_id)
    return None if row is None else str(row.id)


def export_person(tx: Transaction, vault: Vault, *, user_id: str, now: datetime) -> dict[str, Any]:
    """Return, ready for JSON, everything kept that names a person. Raises ShopperNotFound, KeysMissing."""
    document = identity.export_identity(tx, vault, shopper_id=user_id, now=now)
    document["orders"] = _export_orders(tx, user_id)
    document["touches"] = list(store.iter_touches(tx, user_id=user_id))
    document["identifiers"] = store.list_identifiers(tx, user_id=user_id)
    promoter = store.find_promoter(tx, user_id=user_id)
    promoter_id = None if promoter is None else str(promoter.id)
    document |= _export_shopping(tx, user_id)
    document |= fulfilment.export_shopper(tx, shopper_id=user_id, promoter_id=promoter_id)
    document |= payments.export_shopper(tx, shopper_id=user_id, promoter_id=promoter_id)
    document["promoter"] = None
    if promoter is not None:
        document["promoter"] = {
            "id": promoter.id,
            "name": promoter.name,
            "invite_code": promoter.invite_code,
            "status": promoter.status,
            "joined_at": format_instant(promoter.joined_at),
            "wallets": _export_wallets(tx, promoter.id),
            "withdrawals": _export_withdrawals(tx, promoter.id),
            "commissions": _export_commissions(tx, promoter.id),
        }
    return {"exported_at": format_instant(now)} | document


def erase_person(tx: Transaction, *, user_id: str, now: datetime) -> ErasureResult:
    """Forget who a person is: what stays in vouchers, orders and graph is an id that names nobody.

    Refused while money is owed either way, a withdrawal runs, or goods are on their way. The wallet is locked while it
    is looked at, so nothing is booked in between. What an order that was placed before and is paid later brings is
    booked under the id. Raises ErasureBlocked, ShopperNotFound.
    """
    identity.lock_shopper(tx, shopper_id=user_id)
    promoter = store.find_promoter(tx, user_id=user_id)
    # What waits to be booked is counted before balances are read: what a worker finishes in between shows there.
    unsettled_count = 0 if promoter is None else store.count_unsettled(tx, promoter_id=promoter.id)
    promoter_id = None if promoter is None else str(promoter.id)
    obstacles = rules.find_obstacles(
        [] if promoter is None else store.lock_balances(tx, promoter_id=promoter.id),
        open_orders_count=store.count_open_orders(tx, user_id=user_id)
        or fulfilment.count_open(tx, shopper_id=user_id, promoter_id=promoter_id),
        open_withdrawals_count=0 if promoter is None else store.count_open_withdrawals(tx, promoter_id=promoter.id),
        unsettled_count=unsettled_count,
    )
    if obstacles:
        raise ErasureBlocked(obstacles)
    identity.erase_identity(tx, shopper_id=user_id, now=now)
    attribution.forget_identifiers(tx, account_id=user_id, now=now)
    risk.forget_identifiers(tx, buyer_id=user_id, promoter_id=promoter_id)
    cart.forget_shopper(tx, shopper_id=user_id)
    fulfilment.forget_shopper(tx, shopper_id=user_id, promoter_id=promoter_id)
    payments.forget_shopper(tx, shopper_id=user_id, promoter_id=promoter_id)
    erased: tuple[str, ...] = _ERASED
    if promoter is not None:
        store.forget_promoter(tx, promoter_id=promoter.id)
        team.change_status(tx, promoter_id=promoter.id, status=PromoterStatus.SUSPENDED, reason="erased", now=now)
        erased += _ERASED_OF_PROMOTER
    return ErasureResult(user_id, erased, _KEPT)


def _export_orders(tx: Transaction, user_id: str) -> list[dict[str, Any]]:
    found: list[Order] = []
    cursor: str | None = None
    while True:
        page = orders.list_orders(tx, buyer_id=user_id, limit=200, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return [
        {
            "id": order.id,
            "external_id": order.external_id,
            "status": order.status.value,
            "currency": order.currency,
            "goods_minor": order.goods_minor,
            "shipping_minor": order.shipping_minor,
            "refunded_minor": order.refunded_minor,
            "placed_at": format_instant(order.placed_at),
            "lines": [
                {"sku": line.sku, "quantity": line.quantity, "amount_minor": line.amount_minor} for line in order.lines
            ],
        }
        for order in found
    ]


def _export_shopping(tx: Transaction, user_id: str) -> dict[str, Any]:
    found = cart.read_cart(tx, shopper_id=user_id)
    return {
        "addresses": [
            {
                "id": one.id,
                "name": one.name,
                "phone": one.phone,
                "region_code": one.region_code,
                "region": one.region,
                "detail": one.detail,
                "created_at": format_instant(one.created_at),
            }
            for one in cart.list_addresses(tx, shopper_id=user_id)
        ],
        "cart": [
            {"sku_id": line.sku_id, "quantity": line.quantity, "added_at": format_instant(line.added_at)}
            for line in found.lines
        ],
        "coupons": _export_coupons(tx, user_id),
    }


def _export_coupons(tx: Transaction, user_id: str) -> list[dict[str, Any]]:
    found: list[offers.Coupon] = []
    cursor: str | None = None
    while True:
        page = offers.list_coupons(tx, shopper_id=user_id, limit=200, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return [
        {
            "id": one.id,
            "name": one.template.draft.name,
            "state": one.state.value,
            "order_id": one.order_id,
            "claimed_at": format_instant(one.claimed_at),
            "used_at": None if one.used_at is None else format_instant(one.used_at),
        }
        for one in found
    ]


def _export_wallets(tx: Transaction, promoter_id: str) -> list[dict[str, Any]]:
    wallets = [
        wallet.get_wallet(tx, promoter_id=promoter_id, currency=currency)
        for currency in store.list_currencies(tx, promoter_id=promoter_id)
    ]
    return [
        {
            "currency": one.currency,
            "pending_minor": one.pending_minor,
            "frozen_minor": one.frozen_minor,
            "available_minor": one.available_minor,
            "withdrawing_minor": one.withdrawing_minor,
            "withdrawn_minor": one.withdrawn_minor,
            "debt_minor": one.debt_minor,
        }
        for one in wallets
    ]


def _export_withdrawals(tx: Transaction, promoter_id: str) -> list[dict[str, Any]]:
    found: list[wallet.Withdrawal] = []
    cursor: str | None = None
    while True:
        page = wallet.list_withdrawals(tx, promoter_id=promoter_id, limit=200, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return [
        {
            "id": one.id,
            "currency": one.currency,
            "amount_minor": one.amount_minor,
            "method": one.method.value,
            "account": one.account,
            "status": one.status.value,
            "requested_at": format_instant(one.requested_at),
        }
        for one in found
    ]


def _export_commissions(tx: Transaction, promoter_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ("", 0)
    while True:
        rows = store.list_commissions(tx, promoter_id=promoter_id, after=after)
        found += [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it
        if len(rows) < store.PAGE:
            return found
        after = (rows[-1].order_id, rows[-1].level)
