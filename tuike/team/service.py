"""Verbs of the team."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from tuike.db import Database, Transaction
from tuike.graph import LEVELS_MAX, Graph, catch_up, deciding, journal
from tuike.shared.clock import from_micros, to_micros
from tuike.shared.errors import ValidationFailed
from tuike.shared.ids import is_id, new_id
from tuike.shared.pages import Page, decode_cursor, encode_cursor
from tuike.team import rules, store
from tuike.team.model import (
    ExternalIdTaken,
    InviteCodeTaken,
    InviterNotFound,
    Member,
    MovePreview,
    Promoter,
    PromoterNotFound,
    PromoterStatus,
    Upline,
)

_GAP_WINDOW = 2_000
_CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_CODE_LENGTH = 10


def create_promoter(
    tx: Transaction,
    *,
    external_id: str,
    name: str,
    inviter_id: str | None = None,
    invite_code: str | None = None,
    level: Any = None,
    now: datetime,
) -> Promoter:
    """Add an active promoter, bound below its inviter from `now` on if one is named.

    A promoter with the external_id of a buyer is the same person. Raises ExternalIdTaken, InviteCodeTaken,
    InviterNotFound.
    """
    if inviter_id is not None and not is_promoter(tx, promoter_id=inviter_id):
        raise InviterNotFound
    promoter_id = new_id("promoter")
    code = invite_code or "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_LENGTH))
    if not store.insert_promoter(
        tx,
        id=promoter_id,
        external_id=external_id,
        name=name,
        invite_code=code,
        level=level,
        inviter_id=inviter_id,
        joined_at=now,
    ):
        raise ExternalIdTaken if store.is_external_id_taken(tx, external_id) else InviteCodeTaken
    journal.append(
        tx,
        kind="promoter",
        id=promoter_id,
        subject=promoter_id,
        payload={
            "external_id": external_id,
            "promoter_id": promoter_id,
            "status": PromoterStatus.ACTIVE.value,
            "inviter_id": inviter_id,
            "binding_id": None if inviter_id is None else new_id("binding"),
            "at": to_micros(now),
        },
        now=now,
    )
    return Promoter(promoter_id, external_id, name, code, inviter_id, PromoterStatus.ACTIVE, level, now)


def get_promoter(tx: Transaction, graph: Graph, *, promoter_id: str) -> Promoter:
    """Return a promoter with its present inviter. Raises PromoterNotFound, GraphUnavailable."""
    row = _get_row(tx, promoter_id)
    _, inviter_id = store.find_inviter(graph, promoter_id)
    return _promoter(row, inviter_id)


def is_promoter(tx: Transaction, *, promoter_id: str) -> bool:
    """Tell whether a promoter with this id exists; anything that is not a promoter's id is none."""
    return is_id("promoter", promoter_id) and store.find_promoter(tx, promoter_id) is not None


def lock_status(tx: Transaction, *, promoter_id: str) -> PromoterStatus | None:
    """Return a promoter's status, which nobody changes until the transaction ends; None when there is none such."""
    status = store.lock_status(tx, promoter_id) if is_id("promoter", promoter_id) else None
    return None if status is None else PromoterStatus(status)


def find_by_invite_code(tx: Transaction, *, invite_code: str) -> str | None:
    """Return the id of the promoter whose invite code this is, or None."""
    return store.find_id_by_invite_code(tx, invite_code)


def find_promoter_id(tx: Transaction, *, external_id: str) -> str | None:
    """Return the id of the promoter whom a shop knows by `external_id`, or None."""
    return store.find_id_by_external_id(tx, external_id)


def is_active_promoter(tx: Transaction, *, external_id: str) -> bool:
    """Tell whether somebody whom a shop knows by `external_id` is a promoter who earns now."""
    return store.is_active_by_external_id(tx, external_id)


def find_external_id(tx: Transaction, *, promoter_id: str) -> str | None:
    """Return what a shop knows a promoter by, or None."""
    row = store.find_promoter(tx, promoter_id)
    return None if row is None else str(row.external_id)


def list_promoters(
    tx: Transaction, graph: Graph, *, external_id: str | None = None, limit: int, cursor: str | None = None
) -> Page[Promoter]:
    """Return a page of promoters, oldest first, or the one with an external id; one round trip to the graph.

    Raises ValidationFailed for a foreign cursor, GraphUnavailable.
    """
    after = decode_cursor(cursor, str)[0] if cursor else ""
    rows = store.list_promoters(tx, external_id=external_id, after=after, limit=limit + 1)
    found = rows[:limit]
    uplines = list_uplines(graph, promoter_ids=[row.id for row in found]) if found else {}
    promoters = [_promoter(row, uplines[row.id][0].promoter_id if uplines[row.id] else None) for row in found]
    return Page(promoters, encode_cursor(found[-1].id) if len(rows) > limit else None)


def change_inviter(
    db: Database,
    graph: Graph,
    *,
    promoter_id: str,
    inviter_id: str | None,
    reason: str,
    force: bool = False,
    now: datetime,
) -> Promoter:
    """Bind a promoter, with the whole team below it, under another inviter (None: under nobody) from `now` on.

    Decided on the graph while nobody else writes to it, then journalled, then applied; binding the present inviter
    again changes nothing. Raises PromoterNotFound, InviterNotFound, SelfBinding, AlreadyBound, BindingCycle,
    GraphUnavailable.
    """
    with deciding(db, graph) as tx:
        row = _get_row(tx, promoter_id)
        if inviter_id is not None and inviter_id != promoter_id and not is_promoter(tx, promoter_id=inviter_id):
            raise InviterNotFound
        standing = store.find_standing(graph, promoter_id=promoter_id, inviter_id=inviter_id)
        if standing is None:
            raise PromoterNotFound
        decision = rules.decide_move(
            promoter_id=promoter_id,
            inviter_id=inviter_id,
            present_inviter_id=standing.inviter_id,
            above=standing.above,
            force=force,
        )
        if decision.refusal is not None:
            raise decision.refusal
        if decision.is_change:
            journal.append(
                tx,
                kind="binding",
                id=new_id("binding"),
                subject=promoter_id,
                payload={
                    "promoter_id": promoter_id,
                    "inviter_id": inviter_id,
                    "reason": reason,
                    "at": rules.decide_valid_from(now_micros=to_micros(now), present_since=standing.since),
                },
                now=now,
            )
    catch_up(db, graph)
    return _promoter(row, inviter_id)


def preview_move(tx: Transaction, graph: Graph, *, promoter_id: str, inviter_id: str | None) -> MovePreview:
    """Say what a forced move would do or why it would be refused, and change nothing.

    Raises PromoterNotFound, InviterNotFound, GraphUnavailable.
    """
    _get_row(tx, promoter_id)
    if inviter_id is not None and not is_promoter(tx, promoter_id=inviter_id):
        raise InviterNotFound
    standing = store.find_standing(graph, promoter_id=promoter_id, inviter_id=inviter_id)
    if standing is None:
        raise PromoterNotFound
    decision = rules.decide_move(
        promoter_id=promoter_id,
        inviter_id=inviter_id,
        present_inviter_id=standing.inviter_id,
        above=standing.above,
        force=True,
    )
    return MovePreview(
        promoter_id=promoter_id,
        inviter_id=inviter_id,
        refusal=decision.refusal.code if decision.refusal else None,
        members=standing.team,
        leaving=list_upline(graph, promoter_id=promoter_id),
        entering=[Upline(above, level) for level, above in enumerate(standing.above[:LEVELS_MAX], start=1)],
    )


def change_status(
    tx: Transaction, *, promoter_id: str, status: PromoterStatus | str, reason: str, now: datetime
) -> None:
    """Suspend a promoter or make it active again; its place in the team stays. Raises PromoterNotFound.

    A status other than `active` and `suspended` raises ValidationFailed.
    """
    try:
        status = PromoterStatus(status)
    except ValueError:
        raise ValidationFailed(fields={"status": ["Is neither active nor suspended."]}) from None
    before = store.set_status(tx, promoter_id, status)
    if before is None:
        raise PromoterNotFound
    if before != status:
        journal.append(
            tx,
            kind="status",
            id=f"{promoter_id}:{to_micros(now)}:{secrets.token_hex(4)}",
            subject=promoter_id,
            payload={"promoter_id": promoter_id, "status": status.value, "reason": reason, "at": to_micros(now)},
            now=now,
        )


def find_status_reason(tx: Transaction, *, promoter_id: str) -> str | None:
    """Return why a promoter got its present status, None for one whose status never changed."""
    row = journal.find_newest(tx, "status", promoter_id)
    return None if row is None else row.payload["reason"]


def list_upline(graph: Graph, *, promoter_id: str, at: datetime | None = None) -> list[Upline]:
    """Return up to three promoters above, nearest first, as of `at` (now if None), in one round trip.

    Raises PromoterNotFound, GraphUnavailable.
    """
    above = store.list_upline(graph, promoter_id=promoter_id, at=None if at is None else to_micros(at))
    if above is None:
        raise PromoterNotFound
    return _upline(above)


def list_uplines(graph: Graph, *, promoter_ids: Sequence[str]) -> Mapping[str, list[Upline]]:
    """Return the present upline of each promoter, as `list_upline` does, in one round trip for all of them.

    Unknown promoters have an empty one. Raises GraphUnavailable.
    """
    uplines: dict[str, list[Upline]] = {promoter_id: [] for promoter_id in promoter_ids}
    for promoter_id, *above in store.list_uplines(graph, promoter_ids=list(uplines)):
        uplines[promoter_id] = _upline(above)
    return uplines


def list_team(
    graph: Graph, *, promoter_id: str, level: int | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Member]:
    """Return a page of the team below a promoter: level 1 first, inside a level in the order they came into this team.

    `level` None lists all three levels. The cost does not depend on the size of the team. Raises PromoterNotFound,
    ValidationFailed for a foreign cursor, GraphUnavailable.
    """
    levels = range(1, LEVELS_MAX + 1) if level is None else [level]
    start, after = decode_cursor(cursor, int, int) if cursor else (levels[0], 0)
    if start not in levels:
        raise ValidationFailed(fields={"cursor": ["Is not a cursor of this list."]})
    found: list[tuple[int, int, Member]] = []
    for current in levels:
        if current < start or len(found) > limit:
            continue
        found += _read_level(graph, promoter_id, current, after if current == start else 0, limit + 1 - len(found))
    items = [member for _, _, member in found[:limit]]
    more = len(found) > limit
    return Page(items, encode_cursor(*found[limit - 1][:2]) if more else None)


def _read_level(graph: Graph, promoter_id: str, level: int, after: int, count: int) -> list[tuple[int, int, Member]]:
    """Return the next `count` members of one level as (level, ordinal, member); gaps of moved members are skipped."""
    found: list[tuple[int, int, Member]] = []
    window = count
    while len(found) < count:
        answer = store.list_level(graph, promoter_id=promoter_id, level=level, after=after, window=window)
        if answer is None:
            raise PromoterNotFound
        seats, members = answer
        for ordinal, member_id, joined_at, team_size in members:
            found.append((level, ordinal, Member(member_id, level, from_micros(joined_at), team_size)))
        after += window
        if after >= seats:
            break
        window = _GAP_WINDOW
    return found[:count]


def get_team_sizes(graph: Graph, *, promoter_id: str) -> dict[int, int]:
    """Return how many members stand 1, 2 and 3 steps below a promoter, exactly. Raises PromoterNotFound."""
    sizes = store.get_team_sizes(graph, promoter_id)
    if sizes is None:
        raise PromoterNotFound
    return sizes


def _upline(above: Sequence[str | None]) -> list[Upline]:
    return [Upline(one, level) for level, one in enumerate(above, start=1) if one is not None]


def _get_row(tx: Transaction, promoter_id: str) -> Row[Any]:
    row = store.find_promoter(tx, promoter_id) if is_id("promoter", promoter_id) else None
    if row is None:
        raise PromoterNotFound
    return row


def _promoter(row: Row[Any], inviter_id: str | None) -> Promoter:
    return Promoter(
        id=row.id,
        external_id=row.external_id,
        name=row.name,
        invite_code=row.invite_code,
        inviter_id=inviter_id,
        status=PromoterStatus(row.status),
        level=row.level,
        joined_at=row.joined_at,
    )
