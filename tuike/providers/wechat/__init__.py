"""The mini-program's server API: login, phone numbers, codes, messages, text checks, shipping, message push."""

from tuike.providers.wechat.client import WeChat
from tuike.providers.wechat.model import (
    Parcel,
    Phone,
    PushEvent,
    Shipping,
    ShippingState,
    ShippingWay,
    TextCheck,
    TextVerdict,
    WeChatSession,
)
from tuike.providers.wechat.tokens import AccessToken, MemoryTokenStore, TokenStore

__all__ = [
    "AccessToken", "MemoryTokenStore", "Parcel", "Phone", "PushEvent", "Shipping", "ShippingState", "ShippingWay",
    "TextCheck", "TextVerdict", "TokenStore", "WeChat", "WeChatSession",
]  # fmt: skip
