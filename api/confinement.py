"""Staff of some merchants: what they may read and change. Of others and of the whole platform they get nothing."""

from api.routing import Call
from tuike import catalog
from tuike.identity import CallerKind, Scope


def list_merchants_of(call: Call) -> list[str]:
    """Return the merchants that the caller is confined to; empty for those who work for the platform."""
    caller = call.caller
    if caller.kind is not CallerKind.STAFF or Scope.OPERATOR in caller.scopes:
        return []
    if call.open_tx is not None:
        return catalog.list_staff_merchants(call.open_tx, staff_id=caller.id)
    with call.db.autocommit() as tx:
        return catalog.list_staff_merchants(tx, staff_id=caller.id)


def check_merchant(call: Call, merchant_id: str | None) -> None:
    """Raise NotYourMerchant unless the caller may see a merchant's things; None means the whole platform's."""
    confined = list_merchants_of(call)
    if confined and merchant_id not in confined:
        raise catalog.NotYourMerchant


def check_platform(call: Call) -> None:
    """Raise NotYourMerchant unless the caller may see what belongs to no merchant: people, wallets, shares."""
    check_merchant(call, None)
