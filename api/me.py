"""What a shopper does with the own account: profile, logins, phone, devices, consents, promoter, data."""

from typing import Any

import marshmallow as ma
from flask import request

from api import fields as f
from api.answers import instant
from api.logins import MAX_CODE, OUTSIDE_REFUSALS
from api.promoters import PromoterAnswer, render_promoter
from api.routing import SHOPPERS, Answer, Call, Routes, Shape
from tuike import identity, people, team
from tuike.identity import AgreementKind, ConsentPurpose

routes = Routes("me", description="The caller's own account: profile, phone, devices, consents, promoter, data.")

PURPOSES = tuple(purpose.value for purpose in ConsentPurpose)


class Url(f.Text):
    """An `https` address, or empty text for none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text and not text.startswith("https://"):
            raise ma.ValidationError("Must be an https address.")
        return text


class ProfileChange(Shape):
    nickname = f.Text(load_default=None, allow_none=True, low=0, high=64)
    avatar_url = Url(load_default=None, allow_none=True, low=0, high=500)
    locale = f.Choice(*identity.LOCALES, load_default=None, allow_none=True)


class ProfileAnswer(Answer):
    id = ma.fields.String(required=True)
    nickname = ma.fields.String(required=True)
    avatar_url = ma.fields.String(required=True, allow_none=True)
    locale = ma.fields.String(required=True)
    phone = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "In full from GET; masked in answers to changes."},
    )
    logins = ma.fields.List(ma.fields.String(), required=True)
    promoter_id = ma.fields.String(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)


class ProviderCode(Shape):
    code = f.Text(required=True, high=MAX_CODE, metadata={"description": "Of the provider's client; works once."})


class SessionAnswer(Answer):
    id = ma.fields.String(required=True)
    device = ma.fields.String(required=True)
    is_current = ma.fields.Boolean(required=True)
    created_at = ma.fields.DateTime(required=True)
    last_used_at = ma.fields.DateTime(required=True, metadata={"description": "Of its last refresh."})
    expires_at = ma.fields.DateTime(required=True)


class SessionList(Answer):
    items = ma.fields.List(ma.fields.Nested(SessionAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewConsent(Shape):
    is_granted = f.Flag(required=True)


class ConsentAnswer(Answer):
    purpose = ma.fields.String(required=True, validate=ma.validate.OneOf(PURPOSES))
    is_granted = ma.fields.Boolean(required=True)
    decided_at = ma.fields.DateTime(required=True)


class ConsentList(Answer):
    items = ma.fields.List(ma.fields.Nested(ConsentAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewOwnPromoter(Shape):
    name = f.Text(load_default=None, allow_none=True, high=200, metadata={"description": "The nickname if left out."})
    invite_code = f.Text(load_default=None, allow_none=True, high=64, metadata={"description": "The inviter's code."})


class ExportAnswer(Answer):
    exported_at = ma.fields.DateTime(required=True)
    profile = ma.fields.Dict(required=True)
    logins = ma.fields.List(ma.fields.Dict(), required=True)
    devices = ma.fields.List(ma.fields.Dict(), required=True)
    agreements = ma.fields.List(ma.fields.Dict(), required=True)
    consents = ma.fields.List(ma.fields.Dict(), required=True)
    orders = ma.fields.List(ma.fields.Dict(), required=True)
    touches = ma.fields.List(ma.fields.Dict(), required=True)
    identifiers = ma.fields.List(ma.fields.Dict(), required=True)
    addresses = ma.fields.List(ma.fields.Dict(), required=True)
    cart = ma.fields.List(ma.fields.Dict(), required=True)
    coupons = ma.fields.List(ma.fields.Dict(), required=True)
    shop_orders = ma.fields.List(ma.fields.Dict(), required=True)
    after_sale_cases = ma.fields.List(ma.fields.Dict(), required=True)
    pickup_points = ma.fields.List(ma.fields.Dict(), required=True)
    payments = ma.fields.List(ma.fields.Dict(), required=True)
    payouts = ma.fields.List(ma.fields.Dict(), required=True)
    promoter = ma.fields.Dict(required=True, allow_none=True)


class ErasureConfirmation(Shape):
    confirm = f.Choice("erase", required=True, metadata={"description": "The word `erase`: this cannot be undone."})


class ErasureAnswer(Answer):
    user_id = ma.fields.String(required=True)
    erased = ma.fields.List(ma.fields.String(), required=True)
    kept = ma.fields.List(ma.fields.String(), required=True)


def render_profile(call: Call, shopper: identity.Shopper) -> dict[str, Any]:
    """Return a shopper as the shopper alone may see it.

    The answer to a change may be kept for its Idempotency-Key, so it has the phone number masked.
    """
    show = identity.reveal_phone if request.method == "GET" else identity.show_phone
    return {
        "id": shopper.id,
        "nickname": shopper.nickname,
        "avatar_url": shopper.avatar_url,
        "locale": shopper.locale,
        "phone": show(call.vault, shopper),
        "logins": [kind.value for kind in shopper.logins],
        "promoter_id": people.find_promoter_id(call.tx, user_id=shopper.id),
        "created_at": instant(shopper.created_at),
    }


@routes.call("GET", "/me", who=SHOPPERS, answer=ProfileAnswer, refusals=["404 shopper_not_found", "503 keys_missing"])
def get_me(call: Call) -> dict[str, Any]:
    """Get the own profile."""
    return render_profile(call, identity.get_shopper(call.tx, shopper_id=call.user_id))


@routes.call(
    "PATCH", "/me", who=SHOPPERS, body=ProfileChange, answer=ProfileAnswer,
    refusals=["404 shopper_not_found", "503 keys_missing"], example={"nickname": "小梅", "locale": "zh-CN"},
)  # fmt: skip
def patch_me(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Change the own profile; what is left out stays."""
    return render_profile(call, identity.change_profile(call.tx, shopper_id=call.user_id, **body))


@routes.call(
    "POST", "/me/phone", who=SHOPPERS, body=ProviderCode, answer=ProfileAnswer, in_transaction=False,
    example={"code": "e31968a7f94cc5ee25fafc2aef2773f0bb8c3937b22520eb8ee345274d00c144"},
    refusals=["404 shopper_not_found", "409 phone_taken", *OUTSIDE_REFUSALS],
)  # fmt: skip
def post_phone(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Bind the phone number that WeChat's client handed over a code for; it replaces an earlier one."""
    wechat = call.logins.wechat
    with call.db.transaction() as tx:
        openid = identity.find_openid(tx, shopper_id=call.user_id, app_id=call.config.wechat_app_id)
    phone = identity.find_phone(wechat, code=body["code"], openid=openid, now=call.now)
    with call.db.transaction() as tx:
        call.open_tx = tx
        shopper = identity.bind_phone(
            tx, call.vault, shopper_id=call.user_id, country_code=phone.country_code, number=phone.number
        )
        return render_profile(call, shopper)


@routes.call("DELETE", "/me/phone", who=SHOPPERS, answer=ProfileAnswer,
             refusals=["404 shopper_not_found", "503 keys_missing"])  # fmt: skip
def delete_phone(call: Call) -> dict[str, Any]:
    """Forget the own phone number."""
    return render_profile(call, identity.unbind_phone(call.tx, shopper_id=call.user_id))


@routes.call(
    "POST", "/me/logins/wechat", who=SHOPPERS, body=ProviderCode, answer=ProfileAnswer, in_transaction=False,
    example={"code": "0a3Xyz"},
    refusals=["404 shopper_not_found", "409 login_taken", "409 login_in_place", *OUTSIDE_REFUSALS],
)  # fmt: skip
def post_wechat_login(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Let the caller log in by WeChat too; a login of another account is never taken over."""
    app_id = call.config.wechat_app_id
    found = identity.find_wechat_logins(call.logins.wechat, app_id=app_id, code=body["code"])
    return _link(call, found)


@routes.call(
    "POST", "/me/logins/alipay", who=SHOPPERS, body=ProviderCode, answer=ProfileAnswer, in_transaction=False,
    example={"code": "4b203fe6c11548bcabd8da5bb087a83b"},
    refusals=["404 shopper_not_found", "409 login_taken", "409 login_in_place", *OUTSIDE_REFUSALS],
)  # fmt: skip
def post_alipay_login(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Let the caller log in by Alipay too; a login of another account is never taken over."""
    app_id = call.config.alipay_app_id
    found = identity.find_alipay_login(call.logins.alipay, app_id=app_id, code=body["code"])
    return _link(call, [found])


def _link(call: Call, logins: list[identity.Login]) -> dict[str, Any]:
    with call.db.transaction() as tx:
        call.open_tx = tx
        return render_profile(call, identity.link_logins(tx, shopper_id=call.user_id, logins=logins, now=call.now))


@routes.call("GET", "/me/sessions", who=SHOPPERS, answer=SessionList)
def list_own_sessions(call: Call) -> dict[str, Any]:
    """List the devices that are logged in."""
    items = [
        {
            "id": found.id,
            "device": found.device,
            "is_current": found.id == call.caller.session_id,
            "created_at": instant(found.created_at),
            "last_used_at": instant(found.turned_at),
            "expires_at": instant(found.expires_at),
        }
        for found in identity.list_sessions(call.tx, owner_id=call.user_id, now=call.now)
    ]
    return {"items": items, "next_cursor": None}


@routes.call("DELETE", "/me/sessions/<id:session_id>", who=SHOPPERS, answer=SessionList,
             refusals=["404 session_not_found"])  # fmt: skip
def delete_session(call: Call, session_id: str) -> dict[str, Any]:
    """Log one device out; answers those that are left."""
    identity.end_session(call.tx, owner_id=call.user_id, session_id=session_id, now=call.now)
    return list_own_sessions(call)


@routes.call("GET", "/me/consents", who=SHOPPERS, answer=ConsentList)
def list_own_consents(call: Call) -> dict[str, Any]:
    """List every decision about the use of one's data, oldest first; the newest of a purpose counts."""
    found = identity.list_consents(call.tx, shopper_id=call.user_id)
    return {"items": [_render_consent(consent) for consent in found], "next_cursor": None}


def _declare_consent(purpose: ConsentPurpose) -> None:
    def decide(call: Call, body: dict[str, Any]) -> dict[str, Any]:
        consent = identity.decide_consent(
            call.tx, shopper_id=call.user_id, purpose=purpose, is_granted=body["is_granted"], now=call.now
        )
        return _render_consent(consent)

    decide.__name__ = f"put_consent_to_{purpose.value}"
    decide.__doc__ = f"Allow or refuse {purpose.value}."
    routes.call(
        "PUT", f"/me/consents/{purpose.value}", who=SHOPPERS, body=NewConsent, answer=ConsentAnswer,
        example={"is_granted": True},
    )(decide)  # fmt: skip


for _purpose in ConsentPurpose:
    _declare_consent(_purpose)


def _render_consent(consent: identity.Consent) -> dict[str, Any]:
    return {
        "purpose": consent.purpose.value,
        "is_granted": consent.is_granted,
        "decided_at": instant(consent.decided_at),
    }


@routes.call(
    "POST", "/me/promoter", who=SHOPPERS, body=NewOwnPromoter, body_optional=True, answer=PromoterAnswer, status=201,
    writes_relations=True, agreements=[AgreementKind.PROMOTER], example={"invite_code": "ABCDEFGH23"},
    refusals=["404 inviter_not_found", "404 shopper_not_found", "409 already_promoter"],
)  # fmt: skip
def post_own_promoter(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Become a promoter, below whoever's invite code is given; the promoter agreement must be accepted."""
    return render_promoter(people.become_promoter(call.tx, user_id=call.user_id, now=call.now, **body))


@routes.call("GET", "/me/promoter", who=SHOPPERS, answer=PromoterAnswer,
             refusals=["404 promoter_not_found", "503 graph_unavailable"])  # fmt: skip
def get_own_promoter(call: Call) -> dict[str, Any]:
    """Get the promoter that the caller has become."""
    promoter_id = people.find_promoter_id(call.tx, user_id=call.user_id)
    if promoter_id is None:
        raise team.PromoterNotFound
    return render_promoter(team.get_promoter(call.tx, call.graph, promoter_id=promoter_id))


@routes.call("GET", "/me/export", who=SHOPPERS, answer=ExportAnswer, checks_shopper=True,
             refusals=["404 shopper_not_found", "503 keys_missing"])  # fmt: skip
def get_export(call: Call) -> dict[str, Any]:
    """Get everything that is kept about the caller."""
    return people.export_person(call.tx, call.vault, user_id=call.user_id, now=call.now)


@routes.call(
    "POST", "/me/erasure", who=SHOPPERS, body=ErasureConfirmation, answer=ErasureAnswer, writes_relations=True,
    answers_secrets=True, example={"confirm": "erase"}, refusals=["404 shopper_not_found", "409 erasure_blocked"],
)  # fmt: skip
def post_erasure(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Erase the own account for good; refused while money is owed either way."""
    result = people.erase_person(call.tx, user_id=call.user_id, now=call.now)
    return {"user_id": result.user_id, "erased": list(result.erased), "kept": list(result.kept)}
