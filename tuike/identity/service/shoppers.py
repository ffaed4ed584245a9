"""Shoppers: logging in by what outside services vouch for, profile, phone number, ban.

An outside service is asked before a transaction begins: when it is down nothing is half done. The session key of a
WeChat login is not needed for anything here and is dropped where it arrives.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tuike.db import Database, Transaction
from tuike.identity import rules
from tuike.identity.model.callers import CallerKind
from tuike.identity.model.sessions import Tokens
from tuike.identity.model.shoppers import (
    AccountBanned,
    AlipayLogin,
    Login,
    LoginInPlace,
    LoginKind,
    LoginRefused,
    LoginTaken,
    PhoneNumber,
    PhoneTaken,
    Shopper,
    ShopperNotFound,
    ShopperStatus,
    WeChatLogin,
)
from tuike.identity.service.sessions import open_session
from tuike.identity.store import sessions as session_store
from tuike.identity.store import shoppers as store
from tuike.identity.vault import Vault
from tuike.providers import ProviderRefused
from tuike.shared.errors import ValidationFailed
from tuike.shared.ids import is_id, new_id
from tuike.shared.pages import Page, decode_cursor, encode_cursor

LOCALES = ("zh-CN", "en")


def log_in_with_wechat(
    db: Database, vault: Vault, wechat: WeChatLogin, *, app_id: str, code: str, device: str, locale: str, now: datetime
) -> tuple[Shopper, Tokens]:
    """Log in by the code of a mini-program's `wx.login`; a person who is new gets an account.

    Raises AccountBanned, LoginRefused, and the client's ProviderUnavailable and ProviderNotConfigured.
    """
    logins = find_wechat_logins(wechat, app_id=app_id, code=code)
    return _log_in(db, vault, logins, device=device, locale=locale, now=now)


def log_in_with_alipay(
    db: Database, vault: Vault, alipay: AlipayLogin, *, app_id: str, code: str, device: str, locale: str, now: datetime
) -> tuple[Shopper, Tokens]:
    """Log in by an authorisation code of Alipay; a person who is new gets an account. Raises as with WeChat."""
    login = find_alipay_login(alipay, app_id=app_id, code=code)
    return _log_in(db, vault, [login], device=device, locale=locale, now=now)


def find_wechat_logins(wechat: WeChatLogin, *, app_id: str, code: str) -> list[Login]:
    """Ask WeChat whose code this is: the openid of the app and, where the app has one, the union id."""
    try:
        person = wechat.log_in(code=code)
    except ProviderRefused as error:
        raise LoginRefused from error
    logins = [Login(LoginKind.WECHAT, app_id, person.openid)]
    return logins + ([Login(LoginKind.WECHAT_UNION, "", person.unionid)] if person.unionid else [])


def find_alipay_login(alipay: AlipayLogin, *, app_id: str, code: str) -> Login:
    """Ask Alipay whose code this is."""
    try:
        return Login(LoginKind.ALIPAY, app_id, alipay.log_in(code=code).id)
    except ProviderRefused as error:
        raise LoginRefused from error


def _log_in(
    db: Database, vault: Vault, logins: Sequence[Login], *, device: str, locale: str, now: datetime
) -> tuple[Shopper, Tokens]:
    with db.transaction() as tx:
        store.lock_logins(tx, logins)
        owners = [store.find_login_owner(tx, login) for login in logins]
        shopper_id = next(filter(None, owners), None)
        if shopper_id is None:
            shopper_id = new_id("shopper")
            store.insert_shopper(tx, id=shopper_id, locale=locale, now=now)
        for login, owner in zip(logins, owners, strict=True):
            # The login of this app decides. A union id that is another account's stays there: two accounts of one
            # person are joined by nobody but that person.
            if owner is None:
                store.insert_login(tx, login, shopper_id=shopper_id, now=now)
        shopper = _get(tx, shopper_id)
        if shopper.status is not ShopperStatus.ACTIVE:
            raise AccountBanned
        tokens = open_session(
            tx, vault, kind=CallerKind.SHOPPER, owner_id=shopper.id, generation=shopper.generation, device=device,
            now=now,
        )  # fmt: skip
        return shopper, tokens


def link_logins(tx: Transaction, *, shopper_id: str, logins: Sequence[Login], now: datetime) -> Shopper:
    """Give a shopper one more way to log in; linking the same again changes nothing.

    Raises LoginTaken when any of them is another account's, LoginInPlace when the shopper has another of its kind.
    """
    store.lock_logins(tx, logins)
    for login in logins:
        owner = store.find_login_owner(tx, login)
        if owner not in (None, shopper_id):
            raise LoginTaken
        if owner is None and not store.insert_login(tx, login, shopper_id=shopper_id, now=now):
            raise LoginInPlace
    return _get(tx, shopper_id)


def get_shopper(tx: Transaction, *, shopper_id: str) -> Shopper:
    """Return a shopper. Raises ShopperNotFound."""
    return _get(tx, shopper_id)


def find_openid(tx: Transaction, *, shopper_id: str, app_id: str) -> str | None:
    """Return the openid by which WeChat knows a shopper in an app: who pays, and who gets messages."""
    logins = store.list_logins(tx, shopper_id=shopper_id)
    found = [login.subject for login in logins if login.kind is LoginKind.WECHAT and login.app_id == app_id]
    return found[0] if found else None


def find_alipay_user_id(tx: Transaction, *, shopper_id: str, app_id: str) -> str | None:
    """Return the id by which Alipay knows a shopper in an app."""
    logins = store.list_logins(tx, shopper_id=shopper_id)
    found = [login.subject for login in logins if login.kind is LoginKind.ALIPAY and login.app_id == app_id]
    return found[0] if found else None


def list_shoppers(
    tx: Transaction, vault: Vault, *, phone: str | None = None, limit: int, cursor: str | None = None
) -> Page[Shopper]:
    """Return a page of shoppers, oldest first, or the one with a phone number (`+8613800138000`)."""
    after = decode_cursor(cursor, str)[0] if cursor else ""
    digest = None if phone is None else vault.digest("phone", phone)
    found = store.list_shoppers(tx, phone_digest=digest, after=after, limit=limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def change_profile(
    tx: Transaction,
    *,
    shopper_id: str,
    nickname: str | None = None,
    avatar_url: str | None = None,
    locale: str | None = None,
) -> Shopper:
    """Change what is given and leave the rest; an empty avatar removes it. Raises ShopperNotFound, ValidationFailed."""
    shopper = _get(tx, shopper_id, lock=True)
    if locale is not None and locale not in LOCALES:
        raise ValidationFailed(fields={"locale": [f"Must be one of {', '.join(LOCALES)}."]})
    changed = replace(
        shopper,
        nickname=shopper.nickname if nickname is None else nickname,
        avatar_url=shopper.avatar_url if avatar_url is None else avatar_url or None,
        locale=locale or shopper.locale,
    )
    store.update_profile(tx, shopper=changed)
    return changed


def find_phone(wechat: WeChatLogin, *, code: str, openid: str | None, now: datetime) -> PhoneNumber:
    """Ask WeChat for the number that its client handed over a code for. Raises LoginRefused."""
    try:
        return wechat.get_phone_number(code=code, now=now, openid=openid)
    except ProviderRefused as error:
        raise LoginRefused from error


def bind_phone(tx: Transaction, vault: Vault, *, shopper_id: str, country_code: str, number: str) -> Shopper:
    """Keep a phone number that an outside service has verified, encrypted; it replaces an earlier one.

    Raises PhoneTaken when another account has it: nothing is merged and nothing taken over. ValidationFailed for what
    cannot be a phone number.
    """
    phone = rules.normalise_phone(country_code, number)
    if phone is None:
        raise ValidationFailed(fields={"phone": ["Is not a phone number."]})
    digest = vault.digest("phone", phone)
    store.lock_phone(tx, digest=digest)
    _get(tx, shopper_id, lock=True)
    blob = vault.encrypt(phone, context=_phone_context(shopper_id))
    if not store.set_phone(tx, shopper_id=shopper_id, phone=blob, digest=digest):
        raise PhoneTaken
    return _get(tx, shopper_id)


def unbind_phone(tx: Transaction, *, shopper_id: str) -> Shopper:
    """Forget a shopper's phone number."""
    store.set_phone(tx, shopper_id=shopper_id, phone=None, digest=None)
    return _get(tx, shopper_id)


def reveal_phone(vault: Vault, shopper: Shopper) -> str | None:
    """Return a shopper's phone number in full: for its owner, and for whoever must deliver."""
    return None if shopper.phone is None else vault.decrypt(shopper.phone, context=_phone_context(shopper.id))


def show_phone(vault: Vault, shopper: Shopper) -> str | None:
    """Return a shopper's phone number masked: for everybody else."""
    phone = reveal_phone(vault, shopper)
    return None if phone is None else rules.mask_phone(phone)


def change_shopper_status(
    tx: Transaction, *, shopper_id: str, status: ShopperStatus | str, reason: str | None, now: datetime
) -> Shopper:
    """Ban a shopper or take the ban back. Raises ShopperNotFound, also for one who was erased; ValidationFailed.

    From the commit on a banned shopper changes nothing, pays nothing and gets no new token; reading goes on for what is
    left of an access token's life, fifteen minutes at most.
    """
    if status not in (ShopperStatus.ACTIVE, ShopperStatus.BANNED):
        raise ValidationFailed(fields={"status": ["Is neither active nor banned."]})
    shopper = _get(tx, shopper_id, lock=True)
    if shopper.status is ShopperStatus.ERASED:
        raise ShopperNotFound
    store.set_status(tx, shopper_id=shopper_id, status=ShopperStatus(status), reason=reason, now=now)
    if status == ShopperStatus.BANNED:
        session_store.end_sessions(tx, owner_id=shopper_id, reason="banned", now=now)
    return _get(tx, shopper_id)


def lock_status(tx: Transaction, *, shopper_id: str) -> ShopperStatus | None:
    """Return how somebody stands and wait for everybody who changes that; None for somebody who is no shopper."""
    shopper = store.find_shopper(tx, shopper_id=shopper_id, lock=True) if is_id("shopper", shopper_id) else None
    return None if shopper is None else shopper.status


def _get(tx: Transaction, shopper_id: str, *, lock: bool = False) -> Shopper:
    shopper = store.find_shopper(tx, shopper_id=shopper_id, lock=lock) if is_id("shopper", shopper_id) else None
    if shopper is None:
        raise ShopperNotFound
    return shopper


def _phone_context(shopper_id: str) -> str:
    return f"phone {shopper_id}"
