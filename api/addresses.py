"""Address books of shoppers."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant
from api.routing import SHOPPERS, Answer, Call, Routes, Shape
from tuike import cart

routes = Routes("addresses", description="A shopper's address book.")


class NewAddress(Shape):
    name = f.Text(required=True, high=64)
    phone = f.Text(required=True, high=20)
    region_code = f.Text(required=True, high=6, metadata={"description": "Six digits (GB/T 2260), like 440305."})
    region = f.Text(required=True, high=128, metadata={"description": "The region in words."})
    detail = f.Text(required=True, high=256)
    is_default = f.Flag(load_default=False)


class AddressAnswer(Answer):
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    phone = ma.fields.String(required=True)
    region_code = ma.fields.String(required=True)
    region = ma.fields.String(required=True)
    detail = ma.fields.String(required=True)
    is_default = ma.fields.Boolean(required=True)
    created_at = ma.fields.DateTime(required=True)


class AddressList(Answer):
    items = ma.fields.List(ma.fields.Nested(AddressAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


_EXAMPLE = {
    "name": "李雷", "phone": "13800001234", "region_code": "440305", "region": "广东省深圳市南山区",
    "detail": "科技园 1 号", "is_default": True,
}  # fmt: skip


def _render(one: cart.SavedAddress) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "phone": one.phone,
        "region_code": one.region_code,
        "region": one.region,
        "detail": one.detail,
        "is_default": one.is_default,
        "created_at": instant(one.created_at),
    }


@routes.call("GET", "/me/addresses", who=SHOPPERS, answer=AddressList)
def list_my_addresses(call: Call) -> dict[str, Any]:
    """List the address book, the default first; it has at most 50 entries."""
    found = cart.list_addresses(call.tx, shopper_id=call.user_id)
    return {"items": [_render(one) for one in found], "next_cursor": None}


@routes.call(
    "POST", "/me/addresses", who=SHOPPERS, body=NewAddress, answer=AddressAnswer, status=201, example=_EXAMPLE,
    refusals=["409 too_many_addresses"],
)  # fmt: skip
def post_my_address(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add an address; the first one becomes the default."""
    return _render(cart.add_address(call.tx, shopper_id=call.user_id, draft=cart.AddressDraft(**body), now=call.now))


@routes.call(
    "PUT", "/me/addresses/<id:address_id>", who=SHOPPERS, body=NewAddress, answer=AddressAnswer, example=_EXAMPLE,
    refusals=["404 address_not_found"],
)  # fmt: skip
def put_my_address(call: Call, address_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Write an address anew; orders that were placed keep what they had."""
    return _render(
        cart.change_address(
            call.tx, address_id=address_id, shopper_id=call.user_id, draft=cart.AddressDraft(**body), now=call.now
        )
    )


@routes.call("DELETE", "/me/addresses/<id:address_id>", who=SHOPPERS, answer=AddressList,
             refusals=["404 address_not_found"])  # fmt: skip
def delete_my_address(call: Call, address_id: str) -> dict[str, Any]:
    """Take an address out of the book; what is left of it is answered."""
    cart.delete_address(call.tx, address_id=address_id, shopper_id=call.user_id)
    found = cart.list_addresses(call.tx, shopper_id=call.user_id)
    return {"items": [_render(one) for one in found], "next_cursor": None}
