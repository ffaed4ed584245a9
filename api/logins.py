"""Logging in, refreshing tokens, logging out: for shoppers and staff."""

from typing import Any

import marshmallow as ma
from flask import request

from api import fields as f
from api.answers import instant
from api.routing import ANYONE, SHOPPERS, STAFF, Answer, Call, Nothing, Routes, Shape
from tuike import identity

routes = Routes("logins", description="Logging in and out: access tokens, and refresh tokens that work once.")

SHOPPER_LOGINS_PER_MINUTE = 600
"""For one address, which may be that of a whole town behind one gateway."""
STAFF_LOGINS_PER_MINUTE = 30
REFRESHES_PER_MINUTE = 1_200

MAX_CODE = 512
MAX_TOKEN = 2_000


class Token(f.Text):
    """A secret in a body: never echoed, never logged."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(high=MAX_TOKEN, **kwargs)


class NewLogin(Shape):
    code = f.Text(required=True, high=MAX_CODE, metadata={"description": "Of `wx.login` or Alipay; works once."})
    device = f.Text(load_default="", allow_none=True, low=0, high=100, metadata={"description": "For the device list."})
    locale = f.Choice(*identity.LOCALES, load_default="zh-CN", allow_none=True)


class RefreshBody(Shape):
    refresh_token = Token(required=True)


class NewStaffLogin(Shape):
    username = f.Text(required=True, high=200)
    password = f.Text(required=True, high=256)
    code = f.Text(load_default=None, allow_none=True, high=10, metadata={"description": "Of the authenticator app."})
    recovery_code = f.Text(load_default=None, allow_none=True, high=40)
    device = f.Text(load_default="", allow_none=True, low=0, high=100)


class NewPassword(Shape):
    username = f.Text(required=True, high=200)
    password = f.Text(required=True, high=256)
    new_password = f.Text(required=True, high=256)
    code = f.Text(load_default=None, allow_none=True, high=10)
    recovery_code = f.Text(load_default=None, allow_none=True, high=40)


class TokensAnswer(Answer):
    session_id = ma.fields.String(required=True)
    access_token = ma.fields.String(required=True)
    token_type = ma.fields.String(required=True, validate=ma.validate.Equal("Bearer"))
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds that the access token lives."})
    refresh_token = ma.fields.String(required=True, metadata={"description": "Works once; a newer one comes with it."})
    refresh_expires_at = ma.fields.DateTime(required=True)


class ShopperTokens(TokensAnswer):
    user_id = ma.fields.String(required=True)


class StaffTokens(TokensAnswer):
    staff_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    permissions = ma.fields.List(ma.fields.String(), required=True)
    must_enrol_second_factor = ma.fields.Boolean(
        required=True,
        metadata={"description": "True until the second factor that the permissions need is enrolled: see `staff`."},
    )


class Done(Answer):
    done = ma.fields.Boolean(required=True)


class LoggedOut(Answer):
    sessions_ended = ma.fields.Integer(required=True)


def render_tokens(tokens: identity.Tokens) -> dict[str, Any]:
    """Return tokens as every login answers them."""
    return {
        "session_id": tokens.session_id,
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "refresh_expires_at": instant(tokens.refresh_expires_at),
    }


def limit(call: Call, name: str, per_minute: int) -> None:
    """Refuse more than `per_minute` requests from one address. Raises TooManyRequests."""
    identity.limit_requests(call.db, name=name, who=request.remote_addr or "", per_minute=per_minute, now=call.now)


OUTSIDE_REFUSALS = [
    "422 login_refused", "503 keys_missing", "503 provider_not_configured", "503 provider_unavailable",
    "503 provider_answer_invalid",
]  # fmt: skip
_LOGIN_REFUSALS = ["403 account_banned", "429 too_many_requests", *OUTSIDE_REFUSALS]
_STAFF_REFUSALS = [
    "401 credentials_wrong", "401 second_factor_needed", "429 account_locked", "429 too_many_requests",
    "503 keys_missing",
]  # fmt: skip


@routes.call(
    "POST", "/login/wechat", who=ANYONE, body=NewLogin, answer=ShopperTokens, in_transaction=False,
    answers_secrets=True, refusals=_LOGIN_REFUSALS, example={"code": "0a3Xyz", "device": "iPhone 15"},
)  # fmt: skip
def log_in_with_wechat(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Log a shopper in with one tap in the mini-program; who is new gets an account."""
    limit(call, "login", SHOPPER_LOGINS_PER_MINUTE)
    app_id = call.config.wechat_app_id
    shopper, tokens = identity.log_in_with_wechat(
        call.db, call.vault, call.logins.wechat, app_id=app_id, now=call.now, **_read(body)
    )
    return {"user_id": shopper.id, **render_tokens(tokens)}


@routes.call(
    "POST", "/login/alipay", who=ANYONE, body=NewLogin, answer=ShopperTokens, in_transaction=False,
    answers_secrets=True, refusals=_LOGIN_REFUSALS, example={"code": "4b203fe6c11548bcabd8da5bb087a83b"},
)  # fmt: skip
def log_in_with_alipay(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Log a shopper in by an authorisation code of Alipay; who is new gets an account."""
    limit(call, "login", SHOPPER_LOGINS_PER_MINUTE)
    app_id = call.config.alipay_app_id
    shopper, tokens = identity.log_in_with_alipay(
        call.db, call.vault, call.logins.alipay, app_id=app_id, now=call.now, **_read(body)
    )
    return {"user_id": shopper.id, **render_tokens(tokens)}


@routes.call(
    "POST", "/login/refresh", who=ANYONE, body=RefreshBody, answer=TokensAnswer, in_transaction=False,
    answers_secrets=True, example={"refresh_token": "rt_…"},
    refusals=["401 refresh_token_invalid", "403 account_banned", "429 too_many_requests", "503 keys_missing"],
)  # fmt: skip
def refresh_tokens(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Exchange a refresh token, of a shopper or of staff, for new tokens.

    A twin within ten seconds gets the same successor; a token that comes again later ends the whole session.
    """
    limit(call, "refresh", REFRESHES_PER_MINUTE)
    tokens = identity.refresh_session(call.db, call.vault, refresh_token=body["refresh_token"], now=call.now)
    return render_tokens(tokens)


@routes.call(
    "POST", "/logout", who=SHOPPERS | STAFF, body=Nothing, body_optional=True, answer=LoggedOut, example={},
    opens_enrolment=True,
)  # fmt: skip
def log_out(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Log this device out; what is left of its access token's life opens reads only."""
    assert call.caller.session_id is not None
    identity.end_session(call.tx, owner_id=call.caller.id, session_id=call.caller.session_id, now=call.now)
    return {"sessions_ended": 1}


@routes.call(
    "POST", "/logout/everywhere", who=SHOPPERS | STAFF, body=Nothing, body_optional=True, answer=LoggedOut, example={},
    opens_enrolment=True,
)  # fmt: skip
def log_out_everywhere(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Log every device out, this one too."""
    return {"sessions_ended": identity.end_all_sessions(call.tx, caller=call.caller, now=call.now)}


@routes.call(
    "POST", "/staff/login", who=ANYONE, body=NewStaffLogin, answer=StaffTokens, in_transaction=False,
    answers_secrets=True, refusals=[*_STAFF_REFUSALS, "403 password_change_needed"],
    example={"username": "mei", "password": "correct horse battery", "code": "123456"},
)  # fmt: skip
def log_in_staff(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Log a member of staff in; five failures in a row lock the name for growing spans.

    With `finance` or `admin` a second factor is needed: until one is enrolled, the tokens open its enrolment only.
    """
    limit(call, "staff login", STAFF_LOGINS_PER_MINUTE)
    given = body | {"device": body["device"] or ""}
    member, tokens = identity.log_in_staff(call.db, call.vault, now=call.now, **given)
    return {
        "staff_id": member.id,
        "name": member.name,
        "permissions": [scope.value for scope in member.permissions],
        "must_enrol_second_factor": member.lacks_second_factor,
        **render_tokens(tokens),
    }


@routes.call(
    "POST", "/staff/password", who=ANYONE, body=NewPassword, answer=Done, in_transaction=False, answers_secrets=True,
    refusals=[*_STAFF_REFUSALS, "422 password_too_weak"],
    example={"username": "mei", "password": "the first one", "new_password": "correct horse battery"},
)  # fmt: skip
def change_password(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Change a password knowing the old one, also before the first login; every session ends."""
    limit(call, "staff login", STAFF_LOGINS_PER_MINUTE)
    identity.change_password(call.db, call.vault, now=call.now, **body)
    return {"done": True}


def _read(body: dict[str, Any]) -> dict[str, Any]:
    return {"code": body["code"], "device": body["device"] or "", "locale": body["locale"] or "zh-CN"}
