"""What identity knows of a person, and forgetting it. `tuike.people` joins it with what other capabilities know."""

from datetime import datetime
from typing import Any

from tuike.db import Transaction
from tuike.identity.model.shoppers import ShopperNotFound, ShopperStatus
from tuike.identity.service.shoppers import reveal_phone
from tuike.identity.store import agreements as agreement_store
from tuike.identity.store import keys as key_store
from tuike.identity.store import sessions as session_store
from tuike.identity.store import shoppers as store
from tuike.identity.vault import Vault
from tuike.shared.clock import format_instant

ERASED = ("nickname", "avatar", "phone", "logins", "devices", "kept answers")
"""What an erasure takes away here. Acceptances and consents stay, under the id alone: they prove what was lawful."""


def export_identity(tx: Transaction, vault: Vault, *, shopper_id: str, now: datetime) -> dict[str, Any]:
    """Return, ready for JSON, everything that identity keeps of a shopper. Raises ShopperNotFound."""
    shopper = store.find_shopper(tx, shopper_id=shopper_id)
    if shopper is None:
        raise ShopperNotFound
    return {
        "profile": {
            "id": shopper.id,
            "nickname": shopper.nickname,
            "avatar_url": shopper.avatar_url,
            "locale": shopper.locale,
            "phone": reveal_phone(vault, shopper),
            "created_at": format_instant(shopper.created_at),
        },
        "logins": [
            {
                "kind": login.kind.value,
                "app_id": login.app_id,
                "subject": login.subject,
                "linked_at": None if login.linked_at is None else format_instant(login.linked_at),
            }
            for login in store.list_logins(tx, shopper_id=shopper_id)
        ],
        "devices": [
            {"id": found.id, "device": found.device, "created_at": format_instant(found.created_at),
             "last_used_at": format_instant(found.turned_at)}
            for found in session_store.list_sessions(tx, owner_id=shopper_id, now=now)
        ],
        "agreements": [
            {"kind": found.kind.value, "version": found.version, "accepted_at": format_instant(found.accepted_at)}
            for found in agreement_store.list_acceptances(tx, shopper_id=shopper_id)
        ],
        "consents": [
            {"purpose": found.purpose.value, "is_granted": found.is_granted,
             "decided_at": format_instant(found.decided_at)}
            for found in agreement_store.list_consents(tx, shopper_id=shopper_id)
        ],
    }  # fmt: skip


def lock_shopper(tx: Transaction, *, shopper_id: str) -> None:
    """Wait for everybody who changes a shopper, until this transaction ends. Raises ShopperNotFound."""
    found = store.find_shopper(tx, shopper_id=shopper_id, lock=True)
    if found is None or found.status is ShopperStatus.ERASED:
        raise ShopperNotFound


def erase_identity(tx: Transaction, *, shopper_id: str, now: datetime) -> None:
    """Forget who a shopper is: only the id is left, which then names nobody; every token is void at once."""
    store.erase_shopper(tx, shopper_id=shopper_id, now=now)
    store.delete_logins(tx, shopper_id=shopper_id)
    session_store.delete_sessions(tx, owner_id=shopper_id)
    key_store.delete_requests_of(tx, caller_id=shopper_id)
