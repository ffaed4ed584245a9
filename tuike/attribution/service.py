"""Verbs of attribution."""

import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tuike import team
from tuike.attribution import rules, store
from tuike.attribution.model import (
    MODELS,
    TARGET_TYPES,
    Attribution,
    Earner,
    Link,
    LinkNotFound,
    PromoterNotActive,
    Step,
    Touch,
    TouchNotFound,
)
from tuike.db import Transaction, Write
from tuike.graph import Graph, journal
from tuike.shared.clock import from_micros, refuse_future, to_micros
from tuike.shared.errors import ValidationFailed
from tuike.shared.ids import is_id, new_id
from tuike.team import PromoterNotFound, PromoterStatus

_CODE_LETTERS = string.ascii_letters + string.digits
_CODE_LENGTH = 10


def create_link(
    tx: Transaction,
    *,
    promoter_id: str,
    target_type: str,
    target_id: str | None = None,
    channel: str | None = None,
    now: datetime,
) -> Link:
    """Make a share link of an active promoter.

    Raises PromoterNotFound, PromoterNotActive, and ValidationFailed for an unknown kind of target.
    """
    if target_type not in TARGET_TYPES:
        raise ValidationFailed(fields={"target.type": [f"Is none of {', '.join(TARGET_TYPES)}."]})
    status = team.lock_status(tx, promoter_id=promoter_id)
    if status is None:
        raise PromoterNotFound
    if status != PromoterStatus.ACTIVE:
        raise PromoterNotActive
    link = Link(_new_code(), promoter_id, target_type, target_id, channel, now)
    while not store.insert_link(
        tx,
        code=link.code,
        promoter_id=promoter_id,
        target_type=target_type,
        target_id=target_id,
        channel=channel,
        created_at=now,
    ):
        link = Link(_new_code(), promoter_id, target_type, target_id, channel, now)
    journal.append(
        tx,
        kind="link",
        id=link.code,
        subject=promoter_id,
        payload={"code": link.code, "promoter_id": promoter_id, "at": to_micros(now)},
        now=now,
    )
    return link


def get_link(tx: Transaction, *, code: str) -> Link:
    """Return the link of a code. Raises LinkNotFound."""
    row = store.find_link(tx, code) if code.isascii() and code.isalnum() else None
    if row is None:
        raise LinkNotFound
    return Link(row.code, row.promoter_id, row.target_type, row.target_id, row.channel, row.created_at)


def record_touch(
    tx: Transaction,
    *,
    code: str,
    buyer_id: str | None = None,
    visitor_id: str | None = None,
    parent_touch_id: str | None = None,
    device_id: str | None = None,
    ip: str | None = None,
    at: datetime | None = None,
    now: datetime,
) -> Touch:
    """Record one opening of a link at `at` (now if None); it counts for orders placed from then on.

    Needs PostgreSQL only. Device and ip are kept as salted digests. Raises LinkNotFound, TouchNotFound for an unknown
    parent, ValidationFailed for an instant in the future.
    """
    at = now if at is None else at
    refuse_future("at", at, now=now)
    link = get_link(tx, code=code)
    depth = 0
    if parent_touch_id is not None:
        depth = _get_touch_payload(tx, parent_touch_id)["depth"] + 1
    touch = Touch(new_id("touch"), link.promoter_id, depth, code, at)
    journal.append(
        tx,
        kind="touch",
        id=touch.id,
        subject=buyer_id or visitor_id or "",
        payload={
            "touch_id": touch.id,
            "code": code,
            "promoter_id": link.promoter_id,
            "buyer_id": buyer_id,
            "visitor_id": visitor_id,
            "parent_touch_id": parent_touch_id,
            "depth": depth,
            "at": to_micros(at),
        },
        now=now,
    )
    _record_identifiers(tx, touch, {"device": device_id, "ip": ip}, buyer_id=buyer_id, visitor_id=visitor_id, now=now)
    return touch


def forget_identifiers(tx: Transaction, *, account_id: str, now: datetime) -> None:
    """Forget which devices and addresses somebody used, in the journal and in the graph; the touches stay."""
    journal.forget_identifiers(tx, account=account_id, now=now)


def find_touch(tx: Transaction, *, touch_id: str) -> Touch | None:
    """Return a touch, or None when the id names none."""
    row = journal.find(tx, "touch", touch_id) if is_id("touch", touch_id) else None
    if row is None:
        return None
    payload = row.payload
    return Touch(row.id, payload["promoter_id"], payload["depth"], payload["code"], from_micros(payload["at"]))


def find_claim(tx: Transaction, *, order_id: str, touch_id: str, buyer_id: str, now: datetime) -> Write | None:
    """Return the write that makes a touch which an order names one more touch of its buyer.

    None when the touch is the buyer's already or the id names no touch: an order is never refused for it.
    """
    row = journal.find(tx, "touch", touch_id) if is_id("touch", touch_id) else None
    if row is None or row.payload["buyer_id"] == buyer_id:
        return None
    return journal.write(
        kind="touch_claim",
        id=order_id,
        subject=buyer_id,
        payload={"touch_id": touch_id, "buyer_id": buyer_id, "at": to_micros(now)},
        now=now,
    )


def find_attribution(
    graph: Graph,
    *,
    buyer_id: str,
    visitor_id: str | None = None,
    touch_id: str | None = None,
    placed_at: datetime,
    lock_days: int,
    model: str = "last",
) -> Attribution | None:
    """Return whom an order placed at `placed_at` belongs to, with the chain as of then, or None; one round trip.

    Candidates are the touches of the buyer, of the visitor, and `touch_id` itself, at most `lock_days` old and not
    later than the order. `last` takes the newest, of equally new ones the one recorded last; `first` the other way
    round. Raises GraphUnavailable.
    """
    if model not in MODELS:
        raise ValueError(f"model is one of {MODELS}, not {model!r}")
    found = store.find_attribution(
        graph,
        buyer_id=buyer_id,
        visitor_id=visitor_id,
        touch_id=touch_id,
        placed_at=to_micros(placed_at),
        since=rules.decide_since(placed_at=placed_at, lock_days=lock_days),
        sign=rules.sort_sign(model),
    )
    if found is None:
        return None
    chain = [
        Earner(level, found[f"promoter_{level}"], found[f"user_{level}"], found[f"status_{level}"])
        for level in (1, 2, 3)
        if found[f"promoter_{level}"] is not None
    ]
    return Attribution(found["touch_id"], chain[0].promoter_id, from_micros(found["at"]), chain)


def get_share_path(graph: Graph, *, touch_id: str) -> list[Step]:
    """Return the touches from one up to the first of its share path, nearest first.

    Raises TouchNotFound, GraphUnavailable.
    """
    path = store.list_share_path(graph, touch_id)
    if not path:
        raise TouchNotFound
    return [Step(row["touch_id"], row["depth"], row["at"], row["promoter_id"], row["code"]) for row in path]


def digest_identifier(tx: Transaction, *, kind: str, value: str) -> str:
    """Return the digest under which this installation keeps a device or an ip."""
    return rules.digest_identifier(kind, value, salt=store.get_salt(tx))


def _new_code() -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_LENGTH))


def _get_touch_payload(tx: Transaction, touch_id: str) -> Mapping[str, Any]:
    row = journal.find(tx, "touch", touch_id) if is_id("touch", touch_id) else None
    if row is None:
        raise TouchNotFound
    return row.payload


def _record_identifiers(
    tx: Transaction,
    touch: Touch,
    values: Mapping[str, str | None],
    *,
    buyer_id: str | None,
    visitor_id: str | None,
    now: datetime,
) -> None:
    account = buyer_id or visitor_id
    known = {kind: value for kind, value in values.items() if value}
    if account is None or not known:
        return
    salt = store.get_salt(tx)
    for kind, value in known.items():
        digest = rules.digest_identifier(kind, value, salt=salt)
        journal.append(
            tx,
            kind="identifier",
            id=f"{touch.id}:{kind}",
            subject=account,
            payload={
                "label": "User" if buyer_id else "Visitor",
                "kind": kind,
                "digest": digest,
                "key": f"{kind}:{digest}",
                "at": to_micros(touch.at),
            },
            lane=journal.LAZY,
            now=now,
        )
