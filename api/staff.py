"""Staff accounts, the second factor, and the audit log."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.routing import ADMINS, STAFF, Answer, Call, Nothing, PageQuery, Routes, Shape
from tuike import identity
from tuike.identity import PERMISSIONS, Scope, StaffStatus

routes = Routes("staff", description="Staff accounts, their second factor, and the record of what staff did.")

ISSUER = "tuike"
_NAMES = tuple(scope.value for scope in PERMISSIONS)


class NewStaff(Shape):
    username = f.Text(required=True, high=64)
    name = f.Text(required=True, high=200)
    permissions = ma.fields.List(f.Choice(*_NAMES), required=True, validate=ma.validate.Length(1, len(_NAMES)))


class StaffChange(Shape):
    name = f.Text(load_default=None, allow_none=True, high=200)
    permissions = ma.fields.List(
        f.Choice(*_NAMES), load_default=None, allow_none=True, validate=ma.validate.Length(1, len(_NAMES))
    )
    status = f.Choice("active", "disabled", load_default=None, allow_none=True)


class SecondFactorCode(Shape):
    code = f.Text(required=True, high=10)


class StaffAnswer(Answer):
    id = ma.fields.String(required=True)
    username = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    permissions = ma.fields.List(ma.fields.String(), required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["active", "disabled"]))
    must_change_password = ma.fields.Boolean(required=True)
    has_second_factor = ma.fields.Boolean(required=True)
    lacks_second_factor = ma.fields.Boolean(
        required=True, metadata={"description": "Whether the permissions need one that is not enrolled yet."}
    )
    created_at = ma.fields.DateTime(required=True)
    last_login_at = ma.fields.DateTime(required=True, allow_none=True)


class NewStaffAnswer(StaffAnswer):
    password = ma.fields.String(required=True, metadata={"description": "Shown once; changed before the first login."})


class StaffPage(Answer):
    items = ma.fields.List(ma.fields.Nested(StaffAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class EnrolmentAnswer(Answer):
    secret = ma.fields.String(required=True)
    uri = ma.fields.String(required=True, metadata={"description": "`otpauth:` address, to be shown as a QR code."})


class RecoveryCodes(Answer):
    recovery_codes = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "Each works once."})


class AuditQuery(PageQuery):
    actor_id = f.Text(load_default=None)
    subject = f.Text(load_default=None)


class AuditAnswer(Answer):
    id = ma.fields.Integer(required=True)
    at = ma.fields.DateTime(required=True)
    actor_kind = ma.fields.String(required=True)
    actor_id = ma.fields.String(required=True)
    action = ma.fields.String(required=True)
    subject = ma.fields.String(required=True)
    detail = ma.fields.Dict(required=True)


class AuditPage(Answer):
    items = ma.fields.List(ma.fields.Nested(AuditAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_staff(member: identity.StaffMember) -> dict[str, Any]:
    """Return a member of staff, without anything secret."""
    return {
        "id": member.id,
        "username": member.username,
        "name": member.name,
        "permissions": [scope.value for scope in member.permissions],
        "status": member.status.value,
        "must_change_password": member.must_change_password,
        "has_second_factor": member.totp_since is not None,
        "lacks_second_factor": member.lacks_second_factor,
        "created_at": instant(member.created_at),
        "last_login_at": instant(member.last_login_at),
    }


def render_audit(entry: identity.AuditEntry) -> dict[str, Any]:
    """Return one thing that was done."""
    return {
        "id": entry.id,
        "at": instant(entry.at),
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "action": entry.action,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }


@routes.call("GET", "/staff", who=ADMINS, query=PageQuery, answer=StaffPage)
def list_staff(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List staff, disabled ones too."""
    return page(identity.list_staff(call.tx, **query), render_staff)


@routes.call(
    "POST", "/staff", who=ADMINS, body=NewStaff, answer=NewStaffAnswer, status=201, answers_secrets=True,
    refusals=["409 username_taken"], example={"username": "mei", "name": "韩梅梅", "permissions": ["finance"]},
)  # fmt: skip
def post_staff(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add a member of staff; the answer has the first password."""
    member, password = identity.create_staff(call.tx, now=call.now, **body)
    call.subject = member.id
    call.detail = {"username": member.username, "permissions": body["permissions"]}
    return {**render_staff(member), "password": password}


@routes.call("GET", "/staff/<id:staff_id>", who=ADMINS, answer=StaffAnswer, refusals=["404 staff_not_found"])
def get_staff(call: Call, staff_id: str) -> dict[str, Any]:
    """Get a member of staff."""
    return render_staff(identity.get_staff(call.tx, staff_id=staff_id))


@routes.call(
    "PATCH", "/staff/<id:staff_id>", who=ADMINS, body=StaffChange, answer=StaffAnswer,
    refusals=["404 staff_not_found", "409 last_admin"], example={"permissions": ["finance", "support"]},
)  # fmt: skip
def patch_staff(call: Call, staff_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change name, permissions or status; it holds from the member's next request on."""
    status = None if body["status"] is None else StaffStatus(body["status"])
    permissions = None if body["permissions"] is None else [Scope(name) for name in body["permissions"]]
    member = identity.change_staff(
        call.tx, staff_id=staff_id, name=body["name"], permissions=permissions, status=status, now=call.now
    )
    call.detail = {name: value for name, value in body.items() if value is not None and name != "name"}
    return render_staff(member)


@routes.call(
    "POST", "/staff/<id:staff_id>/reset", who=ADMINS, body=Nothing, body_optional=True, answer=NewStaffAnswer,
    answers_secrets=True, refusals=["404 staff_not_found", "409 own_reset"], example={},
)  # fmt: skip
def post_staff_reset(call: Call, staff_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Give another member a new first password, unlock the name and take the second factor away."""
    member, password = identity.reset_staff(call.tx, staff_id=staff_id, by=call.caller, now=call.now)
    return {**render_staff(member), "password": password}


@routes.call("GET", "/staff/me", who=STAFF, answer=StaffAnswer, opens_enrolment=True, refusals=["404 staff_not_found"])
def get_own_account(call: Call) -> dict[str, Any]:
    """Get the account of the caller."""
    return render_staff(identity.get_staff(call.tx, staff_id=call.caller.id))


@routes.call(
    "POST", "/staff/me/second-factor", who=STAFF, body=Nothing, body_optional=True, answer=EnrolmentAnswer,
    answers_secrets=True, opens_enrolment=True, refusals=["409 second_factor_in_place", "503 keys_missing"], example={},
)  # fmt: skip
def post_second_factor(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Make a secret for an authenticator app; it counts once it is confirmed."""
    call.subject = call.caller.id
    secret, uri = identity.enrol_second_factor(call.tx, call.vault, staff_id=call.caller.id, issuer=ISSUER)
    return {"secret": secret, "uri": uri}


@routes.call(
    "POST", "/staff/me/second-factor/confirm", who=STAFF, body=SecondFactorCode, answer=RecoveryCodes,
    answers_secrets=True, opens_enrolment=True, example={"code": "123456"},
    refusals=["409 second_factor_in_place", "422 second_factor_wrong", "503 keys_missing"],
)  # fmt: skip
def confirm_second_factor(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Put the second factor in force by its first code; the answer has ten recovery codes, once."""
    call.subject = call.caller.id
    codes = identity.confirm_second_factor(
        call.tx, call.vault, staff_id=call.caller.id, code=body["code"], now=call.now
    )
    return {"recovery_codes": codes}


@routes.call("GET", "/audit", who=ADMINS | {Scope.AUDITOR}, query=AuditQuery, answer=AuditPage)
def list_audit(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List what staff did, newest first."""
    return page(identity.list_audit(call.tx, **query), render_audit)
