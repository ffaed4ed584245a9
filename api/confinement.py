"""Staff of some merchants: what they may read and change. Of others and of the whole platform they get nothing."""

from contextlib import AbstractContextManager, nullcontext

from api.routing import Call
from tuike import catalog
from tuike.db import Transaction
from tuike.identity import CallerKind, Scope


def list_merchants_of(call: Call) -> list[str]:
    """Return the merchants that the caller is confined to; empty for those who work for the platform."""
    if not _may_be_confined(call):
        return []
    with _open(call) as tx:
        return catalog.list_staff_merchants(tx, staff_id=call.caller.id)


def check_merchant(call: Call, merchant_id: str | None) -> None:
    """Raise NotYourMerchant unless the caller may see a merchant's things; None means the whole platform's."""
    if _may_be_confined(call):
        with _open(call) as tx:
            catalog.check_staff(tx, staff_id=call.caller.id, merchant_id=merchant_id)


def check_platform(call: Call) -> None:
    """Raise NotYourMerchant unless the caller may see what belongs to no merchant: people, wallets, shares."""
    check_merchant(call, None)


def _may_be_confined(call: Call) -> bool:
    return call.caller.kind is CallerKind.STAFF and Scope.OPERATOR not in call.caller.scopes


def _open(call: Call) -> AbstractContextManager[Transaction]:
    return call.db.autocommit() if call.open_tx is None else nullcontext(call.open_tx)
