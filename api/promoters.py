"""Promoters, who invited whom, and the teams below them."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.confinement import check_platform
from api.routing import INTEGRATORS, READERS, RISK, Answer, Call, PageQuery, Routes, Shape
from tuike import commission, people, team
from tuike.shared.errors import ValidationFailed

routes = Routes("promoters", description="Promoters, their inviters and their teams.")

STATUSES = tuple(status.value for status in team.PromoterStatus)


class NewPromoter(Shape):
    external_id = f.Text(required=True, metadata={"description": "The caller's own id; also as buyer_id of orders."})
    name = f.Text(required=True, high=200)
    inviter_id = f.Id(load_default=None, allow_none=True)
    invite_code = f.Text(
        load_default=None, allow_none=True, high=64, metadata={"description": "The inviter's code, instead of an id."}
    )
    level = f.Level(load_default=1, allow_none=True, metadata={"description": "Kept and answered as given."})


class PromoterAnswer(Answer):
    id = ma.fields.String(required=True)
    external_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    invite_code = ma.fields.String(required=True)
    inviter_id = ma.fields.String(required=True, allow_none=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(STATUSES))
    level = ma.fields.Raw(required=True)
    joined_at = ma.fields.DateTime(required=True)


class PromoterQuery(PageQuery):
    external_id = f.Text(load_default=None)


class PromoterPage(Answer):
    items = ma.fields.List(ma.fields.Nested(PromoterAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewInviter(Shape):
    inviter_id = f.Id(required=True, allow_none=True)
    reason = f.Text(required=True, high=500)
    force = f.Flag(load_default=False, allow_none=True)


class MoveQuestion(Shape):
    inviter_id = f.Id(required=True, allow_none=True)


class UplineItem(Answer):
    promoter_id = ma.fields.String(required=True)
    level = ma.fields.Integer(required=True)


class OpenCommissionItem(Answer):
    currency = ma.fields.String(required=True)
    entries = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)


class MovePreviewAnswer(Answer):
    promoter_id = ma.fields.String(required=True)
    inviter_id = ma.fields.String(required=True, allow_none=True)
    refusal = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The code a forced move would be refused with."}
    )
    moving = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Integer(),
        required=True,
        metadata={"description": "How many stand one, two and three levels below and come along; deeper ones do too."},
    )
    leaving = ma.fields.List(ma.fields.Nested(UplineItem), required=True, metadata={"description": "Upline before."})
    entering = ma.fields.List(ma.fields.Nested(UplineItem), required=True, metadata={"description": "Upline after."})
    staying_commission = ma.fields.List(
        ma.fields.Nested(OpenCommissionItem),
        required=True,
        metadata={
            "description": "Pending and frozen commission that the present upline has from this team's orders. "
            "A move leaves it where it is; only orders placed afterwards pay the new upline."
        },
    )


class NewStatus(Shape):
    status = f.Choice(*STATUSES, required=True)
    reason = f.Text(load_default=None, allow_none=True, high=500)


class UplineQuery(Shape):
    at = f.QueryInstant(load_default=None, metadata={"description": "As of then; now if left out."})


class UplineAnswer(Answer):
    items = ma.fields.List(ma.fields.Nested(UplineItem), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class TeamQuery(PageQuery):
    level = f.QueryInteger(low=1, high=3, load_default=None)


class TeamItem(Answer):
    promoter_id = ma.fields.String(required=True)
    level = ma.fields.Integer(required=True)
    joined_at = ma.fields.DateTime(required=True)
    team_size = ma.fields.Integer(required=True)


class TeamPage(Answer):
    items = ma.fields.List(ma.fields.Nested(TeamItem), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class TeamSizes(Answer):
    levels = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)


def _find_inviter(call: Call, inviter_id: str | None, invite_code: str | None) -> str | None:
    """Return the inviter that an id, a code, or both name."""
    if invite_code is None:
        return inviter_id
    found = team.find_by_invite_code(call.tx, invite_code=invite_code)
    if found is None:
        raise team.InviterNotFound(fields={"invite_code": ["Is nobody's invite code."]})
    if inviter_id not in (None, found):
        raise ValidationFailed(fields={"invite_code": ["Belongs to another promoter than inviter_id names."]})
    return found


def render_promoter(promoter: team.Promoter) -> dict[str, Any]:
    return {
        "id": promoter.id,
        "external_id": promoter.external_id,
        "name": promoter.name,
        "invite_code": promoter.invite_code,
        "inviter_id": promoter.inviter_id,
        "status": promoter.status,
        "level": promoter.level,
        "joined_at": instant(promoter.joined_at),
    }


@routes.call(
    "POST", "/promoters", who=INTEGRATORS, body=NewPromoter, answer=PromoterAnswer, status=201, writes_relations=True,
    refusals=["409 external_id_taken", "404 inviter_not_found"],
    example={"external_id": "u-1001", "name": "Li Lei", "inviter_id": "prm_01K9ZJ0000000000000000000A"},
)  # fmt: skip
def post_promoter(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Make a promoter, below an inviter if one is named."""
    promoter = team.create_promoter(
        call.tx,
        external_id=body["external_id"],
        name=body["name"],
        inviter_id=_find_inviter(call, body["inviter_id"], body["invite_code"]),
        level=1 if body["level"] is None else body["level"],
        now=call.now,
    )
    return render_promoter(promoter)


@routes.call("GET", "/promoters", who=READERS, query=PromoterQuery, answer=PromoterPage,
             refusals=["403 not_your_merchant", "503 graph_unavailable"])  # fmt: skip
def list_promoters(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List promoters, oldest first, or the one with an external id."""
    check_platform(call)
    return page(team.list_promoters(call.tx, call.graph, **query), render_promoter)


@routes.call("GET", "/promoters/<id:promoter_id>", who=READERS, answer=PromoterAnswer,
             refusals=["403 not_your_merchant", "404 promoter_not_found", "503 graph_unavailable"])  # fmt: skip
def get_promoter(call: Call, promoter_id: str) -> dict[str, Any]:
    """Get a promoter."""
    check_platform(call)
    return render_promoter(team.get_promoter(call.tx, call.graph, promoter_id=promoter_id))


@routes.call(
    "PUT", "/promoters/<id:promoter_id>/inviter", who=INTEGRATORS, body=NewInviter, answer=PromoterAnswer,
    in_transaction=False,
    refusals=["404 promoter_not_found", "404 inviter_not_found", "409 already_bound", "409 binding_cycle",
              "422 self_binding", "503 graph_unavailable"],
    example={"inviter_id": "prm_01K9ZJ0000000000000000000A", "reason": "asked for by both", "force": False},
)  # fmt: skip
def put_inviter(call: Call, promoter_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Give a promoter another inviter, or none; the whole team below moves along."""
    promoter = team.change_inviter(
        call.db,
        call.graph,
        promoter_id=promoter_id,
        inviter_id=body["inviter_id"],
        reason=body["reason"],
        force=bool(body["force"]),
        now=call.now,
    )
    return render_promoter(promoter)


@routes.call(
    "POST", "/promoters/<id:promoter_id>/inviter/preview", who=INTEGRATORS, body=MoveQuestion,
    answer=MovePreviewAnswer, refusals=["404 promoter_not_found", "404 inviter_not_found", "503 graph_unavailable"],
    example={"inviter_id": "prm_01K9ZJ0000000000000000000A"},
)  # fmt: skip
def preview_inviter(call: Call, promoter_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Say what a move would change, without moving anybody."""
    preview = team.preview_move(call.tx, call.graph, promoter_id=promoter_id, inviter_id=body["inviter_id"])
    staying = commission.list_open_through(
        call.tx, promoter_id=promoter_id, above=[above.promoter_id for above in preview.leaving]
    )
    return {
        "promoter_id": preview.promoter_id,
        "inviter_id": preview.inviter_id,
        "refusal": preview.refusal,
        "moving": {str(level): count for level, count in enumerate(preview.members, start=1)},
        "leaving": [_render_upline(above) for above in preview.leaving],
        "entering": [_render_upline(above) for above in preview.entering],
        "staying_commission": [
            {"currency": one.currency, "entries": one.entries, "amount_minor": one.amount_minor} for one in staying
        ],
    }


@routes.call(
    "PUT", "/promoters/<id:promoter_id>/status", who=RISK, body=NewStatus, answer=PromoterAnswer,
    writes_relations=True,
    refusals=["404 promoter_not_found", "409 person_banned", "409 person_erased", "409 banned_by_case"],
    example={"status": "suspended", "reason": "complaint"},
)  # fmt: skip
def put_status(call: Call, promoter_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Suspend a promoter or let one back in; only active promoters earn and share, and no banned one comes back."""
    people.change_promoter_status(
        call.tx, promoter_id=promoter_id, status=body["status"], reason=body["reason"] or "", now=call.now
    )
    return render_promoter(team.get_promoter(call.tx, call.graph, promoter_id=promoter_id))


@routes.call("GET", "/promoters/<id:promoter_id>/upline", who=READERS, query=UplineQuery, answer=UplineAnswer,
             in_transaction=False,
             refusals=["403 not_your_merchant", "404 promoter_not_found", "503 graph_unavailable"])  # fmt: skip
def list_upline(call: Call, promoter_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the inviters above a promoter, nearest first, at most three, as of an instant."""
    check_platform(call)
    upline = team.list_upline(call.graph, promoter_id=promoter_id, at=query["at"])
    return {"items": [_render_upline(above) for above in upline], "next_cursor": None}


@routes.call("GET", "/promoters/<id:promoter_id>/team", who=READERS, query=TeamQuery, answer=TeamPage,
             in_transaction=False,
             refusals=["403 not_your_merchant", "404 promoter_not_found", "503 graph_unavailable"])  # fmt: skip
def list_team(call: Call, promoter_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the promoters below one, of one level or of all three, in the order they came to their place."""
    check_platform(call)
    return page(team.list_team(call.graph, promoter_id=promoter_id, **query), _render_member)


@routes.call("GET", "/promoters/<id:promoter_id>/team/size", who=READERS, answer=TeamSizes,
             in_transaction=False,
             refusals=["403 not_your_merchant", "404 promoter_not_found", "503 graph_unavailable"])  # fmt: skip
def get_team_size(call: Call, promoter_id: str) -> dict[str, Any]:
    """Count the team of each level."""
    check_platform(call)
    sizes = team.get_team_sizes(call.graph, promoter_id=promoter_id)
    return {"levels": {str(level): sizes[level] for level in (1, 2, 3)}}


def _render_upline(above: team.Upline) -> dict[str, Any]:
    return {"promoter_id": above.promoter_id, "level": above.level}


def _render_member(member: team.Member) -> dict[str, Any]:
    return {
        "promoter_id": member.promoter_id,
        "level": member.level,
        "joined_at": instant(member.joined_at),
        "team_size": member.team_size,
    }
