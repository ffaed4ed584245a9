"""Addresses of ledger accounts. Pure text; the kind is the address's last word."""

from typing import Literal

WORLD = "world"
"""Everything outside: where paid withdrawals go."""
FEES = "platform:fees"

PromoterAccount = Literal["pending", "frozen", "available", "withdrawing", "debt"]


def promoter_address(promoter_id: str, kind: PromoterAccount) -> str:
    """Return the address of one of a promoter's accounts."""
    return f"promoter:{promoter_id}:{kind}"


def sales_address(merchant_id: str) -> str:
    """Return the account that holds what promoters paid for a merchant's orders from their wallets."""
    return f"merchant:{merchant_id}:sales"


def payable_address(merchant_id: str) -> str:
    """Return the account that a merchant's commission comes from; its balance is minus what the merchant owes."""
    return f"merchant:{merchant_id}:payable"
