"""Decisions about carts and addresses. Pure."""

import re

from tuike.cart.model import AddressDraft
from tuike.shared.errors import ValidationFailed

MAX_LINES = 120
MAX_QUANTITY = 9_999
MAX_ADDRESSES = 50
_PHONE = re.compile(r"\+?[0-9][0-9 -]{4,18}[0-9]", re.ASCII)
_REGION = re.compile(r"[0-9]{6}", re.ASCII)


def check_quantity(quantity: int, *, field: str = "quantity") -> None:
    """Raise ValidationFailed unless a cart may hold so many pieces of one SKU."""
    if not 1 <= quantity <= MAX_QUANTITY:
        raise ValidationFailed(fields={field: [f"Must be 1 to {MAX_QUANTITY}."]})


def check_address(draft: AddressDraft) -> None:
    """Raise ValidationFailed, naming the field, for an address that nobody could deliver to."""
    faults = {}
    if not _PHONE.fullmatch(draft.phone):
        faults["phone"] = ["Must be a phone number."]
    if not _REGION.fullmatch(draft.region_code):
        faults["region_code"] = ["Must be an administrative code of six digits."]
    faults |= {
        name: ["Must not be blank."] for name in ("name", "region", "detail") if not getattr(draft, name).strip()
    }
    if faults:
        raise ValidationFailed(fields=faults)
