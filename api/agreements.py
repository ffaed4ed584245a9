"""Agreements: read by anyone, published by content staff, accepted by shoppers."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant
from api.confinement import check_platform
from api.routing import ANYONE, CONTENT, SHOPPERS, Answer, Call, Routes, Shape
from tuike import identity
from tuike.identity import AgreementKind

routes = Routes("agreements", description="Versioned agreements of users and promoters, and who accepted them.")

KINDS = tuple(kind.value for kind in AgreementKind)
MAX_BODY = 60_000


class LongText(f.Text):
    """Text with line breaks."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is str:
            super()._deserialize(value.replace("\n", " ").replace("\t", " "), attr, data, **kwargs)
            return value
        return super()._deserialize(value, attr, data, **kwargs)


class NewAgreement(Shape):
    title = f.Text(required=True, high=200)
    body = LongText(required=True, high=MAX_BODY, metadata={"description": "Plain text."})


class AgreementAnswer(Answer):
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(KINDS))
    version = ma.fields.Integer(required=True)
    title = ma.fields.String(required=True)
    body = ma.fields.String(required=True)
    published_at = ma.fields.DateTime(required=True)


class AgreementList(Answer):
    items = ma.fields.List(ma.fields.Nested(AgreementAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AgreementQuery(Shape):
    version = f.QueryInteger(low=1, load_default=None, metadata={"description": "The newest if left out."})


class NewAcceptance(Shape):
    version = f.Integer(required=True, low=1)


class AcceptanceAnswer(Answer):
    kind = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    accepted_at = ma.fields.DateTime(required=True)


class AcceptanceList(Answer):
    items = ma.fields.List(ma.fields.Nested(AcceptanceAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_agreement(agreement: identity.Agreement) -> dict[str, Any]:
    """Return an agreement as it is answered."""
    return {
        "kind": agreement.kind.value,
        "version": agreement.version,
        "title": agreement.title,
        "body": agreement.body,
        "published_at": instant(agreement.published_at),
    }


def read_kind(text: str) -> AgreementKind:
    """Return the kind that a path names. Raises AgreementNotFound."""
    if text not in KINDS:
        raise identity.AgreementNotFound
    return AgreementKind(text)


@routes.call("GET", "/agreements", who=ANYONE, answer=AgreementList)
def list_agreements(call: Call) -> dict[str, Any]:
    """List the newest version of each agreement."""
    found = identity.list_agreements(call.tx)
    return {"items": [render_agreement(agreement) for agreement in found], "next_cursor": None}


@routes.call("GET", "/agreements/<id:kind>", who=ANYONE, query=AgreementQuery, answer=AgreementAnswer,
             refusals=["404 agreement_not_found"])  # fmt: skip
def get_agreement(call: Call, kind: str, query: dict[str, Any]) -> dict[str, Any]:
    """Get an agreement: `user`, `promoter` or `privacy`, the newest version unless one is named."""
    return render_agreement(identity.get_agreement(call.tx, kind=read_kind(kind), version=query["version"]))


@routes.call(
    "POST", "/agreements/<id:kind>", who=CONTENT, body=NewAgreement, answer=AgreementAnswer, status=201,
    refusals=["403 not_your_merchant", "404 agreement_not_found"],
    example={"title": "推客服务协议", "body": "第一条 …"},
)  # fmt: skip
def post_agreement(call: Call, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Publish the next version; from now on it has to be accepted where the agreement is needed."""
    check_platform(call)
    published = identity.publish_agreement(
        call.tx, kind=read_kind(kind), title=body["title"], body=body["body"], now=call.now
    )
    return render_agreement(published)


@routes.call("GET", "/me/agreements", who=SHOPPERS, answer=AcceptanceList)
def list_acceptances(call: Call) -> dict[str, Any]:
    """List what the shopper accepted, and when."""
    found = identity.list_acceptances(call.tx, shopper_id=call.user_id)
    items = [{"kind": one.kind.value, "version": one.version, "accepted_at": instant(one.accepted_at)} for one in found]
    return {"items": items, "next_cursor": None}


@routes.call(
    "POST", "/me/agreements/<id:kind>", who=SHOPPERS, body=NewAcceptance, answer=AcceptanceAnswer,
    refusals=["404 agreement_not_found", "409 agreement_outdated"], example={"version": 1},
)  # fmt: skip
def post_acceptance(call: Call, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Accept the newest version of an agreement."""
    accepted = identity.accept_agreement(
        call.tx, shopper_id=call.user_id, kind=read_kind(kind), version=body["version"], now=call.now
    )
    return {"kind": accepted.kind.value, "version": accepted.version, "accepted_at": instant(accepted.accepted_at)}
