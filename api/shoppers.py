"""Shoppers as staff see them: masked; and banning them."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.confinement import check_platform
from api.routing import RISK, SUPPORT, Answer, Call, PageQuery, Routes, Shape
from tuike import identity, people

routes = Routes("shoppers", description="Shoppers as staff see them, phone numbers masked; bans.")


class ShopperQuery(PageQuery):
    phone = f.Text(load_default=None, high=20, metadata={"description": "The whole number, such as +8613800138000."})


class ShopperAnswer(Answer):
    id = ma.fields.String(required=True)
    nickname = ma.fields.String(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["active", "banned", "erased"]))
    status_reason = ma.fields.String(required=True, allow_none=True)
    phone = ma.fields.String(required=True, allow_none=True, metadata={"description": "Masked."})
    logins = ma.fields.List(ma.fields.String(), required=True)
    created_at = ma.fields.DateTime(required=True)


class ShopperPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ShopperAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewShopperStatus(Shape):
    status = f.Choice("active", "banned", required=True)
    reason = f.Text(load_default=None, allow_none=True, high=500)


def render_shopper(call: Call, shopper: identity.Shopper) -> dict[str, Any]:
    """Return a shopper as staff may see one."""
    return {
        "id": shopper.id,
        "nickname": shopper.nickname,
        "status": shopper.status.value,
        "status_reason": shopper.status_reason,
        "phone": identity.show_phone(call.vault, shopper),
        "logins": [kind.value for kind in shopper.logins],
        "created_at": instant(shopper.created_at),
    }


@routes.call("GET", "/shoppers", who=SUPPORT | RISK, query=ShopperQuery, answer=ShopperPage,
             refusals=["403 not_your_merchant", "503 keys_missing"])  # fmt: skip
def list_shoppers(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List shoppers, or find the one with a phone number."""
    check_platform(call)
    found = identity.list_shoppers(call.tx, call.vault, **query)
    return page(found, lambda shopper: render_shopper(call, shopper))


@routes.call("GET", "/shoppers/<id:shopper_id>", who=SUPPORT | RISK, answer=ShopperAnswer,
             refusals=["403 not_your_merchant", "404 shopper_not_found", "503 keys_missing"])  # fmt: skip
def get_shopper(call: Call, shopper_id: str) -> dict[str, Any]:
    """Get a shopper."""
    check_platform(call)
    return render_shopper(call, identity.get_shopper(call.tx, shopper_id=shopper_id))


@routes.call(
    "PUT", "/shoppers/<id:shopper_id>/status", who=RISK, body=NewShopperStatus, answer=ShopperAnswer,
    writes_relations=True,
    refusals=["404 shopper_not_found", "409 banned_by_case", "503 keys_missing"],
    example={"status": "banned", "reason": "fraud"},
)  # fmt: skip
def put_shopper_status(call: Call, shopper_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ban a shopper or take the ban back; from the answer on a banned shopper changes nothing and pays nothing.

    Every session ends, and the promoter whom the shopper has become is suspended for as long.
    """
    call.detail = {"status": body["status"], "reason": body["reason"]}
    changed = people.change_person_status(
        call.tx, user_id=shopper_id, status=body["status"], reason=body["reason"], now=call.now
    )
    return render_shopper(call, changed)
