"""Shoppers, the logins they come by, and what the outside services must be able to say."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tuike.shared.errors import Conflict, Forbidden, NotFound, Refused


class ShopperStatus(StrEnum):
    """`banned` shoppers may read for the rest of an access token's life and change nothing; `erased` ones are gone."""

    ACTIVE = "active"
    BANNED = "banned"
    ERASED = "erased"


class LoginKind(StrEnum):
    """Who vouches for a login. A union id is the same person in all apps of one WeChat open platform account."""

    WECHAT = "wechat"
    WECHAT_UNION = "wechat_union"
    ALIPAY = "alipay"


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody's id at an outside service. `app_id` is empty where the id does not depend on the app."""

    kind: LoginKind
    app_id: str
    subject: str = field(repr=False)
    linked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shopper:
    """A person who shops. `phone` is encrypted; who may see it asks `reveal_phone`."""

    id: str
    nickname: str
    avatar_url: str | None
    locale: str
    status: ShopperStatus
    generation: int
    created_at: datetime
    phone: bytes | None = field(default=None, repr=False)
    status_reason: str | None = None
    logins: tuple[LoginKind, ...] = ()


class WeChatPerson(Protocol):
    """What WeChat says of a login's code."""

    @property
    def openid(self) -> str: ...

    @property
    def unionid(self) -> str | None: ...


class PhoneNumber(Protocol):
    """A phone number that WeChat has verified."""

    @property
    def number(self) -> str: ...

    @property
    def country_code(self) -> str: ...


class WeChatLogin(Protocol):
    """The calls of WeChat's server API that logins need; each code works once."""

    def log_in(self, *, code: str) -> WeChatPerson: ...

    def get_phone_number(self, *, code: str, now: datetime, openid: str | None = None) -> PhoneNumber: ...


class AlipayPerson(Protocol):
    """What Alipay says of a login's code."""

    @property
    def id(self) -> str: ...


class AlipayLogin(Protocol):
    """The call of Alipay's gateway that logins need; each code works once."""

    def log_in(self, *, code: str) -> AlipayPerson: ...


class Logins(Protocol):
    """The clients by which shoppers log in; asking for one that is not configured raises."""

    @property
    def wechat(self) -> WeChatLogin: ...

    @property
    def alipay(self) -> AlipayLogin: ...


class LoginRefused(Refused):
    code = "login_refused"
    message = "The outside service refused the code: it was used, has expired, or belongs to another app."


class ShopperNotFound(NotFound):
    code, message = "shopper_not_found", "There is no such shopper."


class AccountBanned(Forbidden):
    code, message = "account_banned", "This account is banned."


class LoginTaken(Conflict):
    code = "login_taken"
    message = "This login belongs to another account; log in there, or remove it there first."


class LoginInPlace(Conflict):
    code, message = "login_in_place", "This account has another login of this kind; it cannot be replaced."


class PhoneTaken(Conflict):
    code = "phone_taken"
    message = "This phone number belongs to another account; log in there, or remove it there first."
