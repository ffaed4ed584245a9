"""Every read and write of the team: promoters in PostgreSQL, bindings in the graph."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.graph import LEVELS_MAX, SEAT_WIDTH, Graph
from tuike.team.model import PromoterStatus

_WALK = 256
_LIST_LEVEL = {1: "team.list_level_1", 2: "team.list_level_2", 3: "team.list_level_3"}
_COLUMNS = "id, external_id, name, invite_code, level, status, inviter_at_joining, joined_at"


def insert_promoter(
    tx: Transaction,
    *,
    id: str,
    external_id: str,
    name: str,
    invite_code: str,
    level: Any,
    inviter_id: str | None,
    joined_at: datetime,
) -> bool:
    """Add a promoter; False when its external_id or invite_code is taken."""
    row = tx.execute(
        text(
            "INSERT INTO promoters (id, external_id, name, invite_code, level, status, inviter_at_joining, joined_at)"
            " VALUES (:id, :external_id, :name, :invite_code, CAST(:level AS jsonb), 'active', :inviter_id, :joined_at)"
            " ON CONFLICT DO NOTHING RETURNING id"
        ),
        {
            "id": id,
            "external_id": external_id,
            "name": name,
            "invite_code": invite_code,
            "level": None if level is None else json.dumps(level),
            "inviter_id": inviter_id,
            "joined_at": joined_at,
        },
    )
    return row.one_or_none() is not None


def is_external_id_taken(tx: Transaction, external_id: str) -> bool:
    """Tell whether a promoter has this external_id."""
    query = text("SELECT EXISTS (SELECT 1 FROM promoters WHERE external_id = :external_id)")
    return tx.execute(query, {"external_id": external_id}).scalar_one()


def is_active_by_external_id(tx: Transaction, external_id: str) -> bool:
    """Tell whether an external_id names an active promoter."""
    query = text("SELECT EXISTS (SELECT 1 FROM promoters WHERE external_id = :external_id AND status = 'active')")
    return bool(tx.execute(query, {"external_id": external_id}).scalar_one())


def find_id_by_external_id(tx: Transaction, external_id: str) -> str | None:
    """Return the id of the promoter with an external_id."""
    query = text("SELECT id FROM promoters WHERE external_id = :external_id")
    return tx.execute(query, {"external_id": external_id}).scalar_one_or_none()


def find_promoter(tx: Transaction, promoter_id: str) -> Row[Any] | None:
    """Return the promoter's row, or None."""
    query = text(f"SELECT {_COLUMNS} FROM promoters WHERE id = :id")
    return tx.execute(query, {"id": promoter_id}).one_or_none()


def lock_status(tx: Transaction, promoter_id: str) -> str | None:
    """Return the status of a promoter, held until the transaction ends, or None when there is no such promoter."""
    query = text("SELECT status FROM promoters WHERE id = :id FOR SHARE")
    return tx.execute(query, {"id": promoter_id}).scalar_one_or_none()


def find_id_by_invite_code(tx: Transaction, invite_code: str) -> str | None:
    """Return whose invite code this is, or None."""
    query = text("SELECT id FROM promoters WHERE invite_code = :invite_code")
    found: str | None = tx.execute(query, {"invite_code": invite_code}).scalar_one_or_none()
    return found


def list_promoters(tx: Transaction, *, external_id: str | None, after: str, limit: int) -> Sequence[Row[Any]]:
    """Return the rows of up to `limit` promoters with an id behind `after`, in order of id."""
    only = "" if external_id is None else " AND external_id = :external_id"
    query = text(f"SELECT {_COLUMNS} FROM promoters WHERE id > :after{only} ORDER BY id LIMIT :limit")
    named = {} if external_id is None else {"external_id": external_id}
    return tx.execute(query, {"after": after, "limit": limit} | named).all()


def set_status(tx: Transaction, promoter_id: str, status: PromoterStatus) -> str | None:
    """Set the status and return the one before it, or None when there is no such promoter."""
    query = text(
        "UPDATE promoters SET status = :status"
        " FROM (SELECT id, status AS before FROM promoters WHERE id = :id FOR NO KEY UPDATE) AS old"
        " WHERE promoters.id = old.id RETURNING old.before"
    )
    return tx.execute(query, {"id": promoter_id, "status": status.value}).scalar_one_or_none()


def find_inviter(graph: Graph, promoter_id: str) -> tuple[bool, str | None]:
    """Return whether the graph has the promoter, and its present inviter."""
    rows = graph.read("team.get_inviter", promoter_id=promoter_id)
    return (True, rows[0]["inviter_id"]) if rows else (False, None)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a promoter stands before a move, and everybody above the chosen inviter, itself included."""

    inviter_id: str | None
    since: int
    team: tuple[int, int, int]
    above: Sequence[str]


def find_standing(graph: Graph, *, promoter_id: str, inviter_id: str | None) -> Standing | None:
    """Read all that a move is decided from: one round trip unless the new inviter stands more than 256 steps deep."""
    above: list[str] = []
    walked_from = inviter_id or ""
    while True:
        rows = graph.read("team.get_standing", promoter_id=promoter_id, inviter_id=walked_from)
        if not rows:
            return None
        row = rows[0]
        above += row["above"][1:] if above else row["above"]
        if len(row["above"]) <= _WALK or promoter_id in above:
            return Standing(row["inviter_id"], row["since"], (row["team_1"], row["team_2"], row["team_3"]), above)
        walked_from = above[-1]


def list_upline(graph: Graph, *, promoter_id: str, at: int | None) -> list[str | None] | None:
    """Return the promoters one, two and three steps above as of `at` (now if None), or None for an unknown promoter."""
    if at is None:
        rows = graph.read("team.list_upline_now", promoter_id=promoter_id)
    else:
        rows = graph.read("team.list_upline", promoter_id=promoter_id, at=at)
    return list(rows[0].values()) if rows else None


def list_uplines(graph: Graph, *, promoter_ids: Sequence[str]) -> list[list[Any]]:
    """Return [promoter_id, one step above, two, three] for every known promoter, in one round trip."""
    rows = graph.read("team.list_uplines", promoter_ids=list(promoter_ids))
    return rows[0]["uplines"] if rows else []


def list_level(graph: Graph, *, promoter_id: str, level: int, after: int, window: int) -> tuple[int, list[Any]] | None:
    """Return how many seats a level has and its members in the `window` seats behind `after`, or None when unknown."""
    rows = graph.read(_LIST_LEVEL[level], promoter_id=promoter_id, after=after, window=window, seat_width=SEAT_WIDTH)
    return (rows[0]["seats"], sorted(rows[0]["members"])) if rows else None


def get_team_sizes(graph: Graph, promoter_id: str) -> dict[int, int] | None:
    """Return the number of members by level, or None when the promoter is unknown."""
    rows = graph.read("team.get_sizes", promoter_id=promoter_id)
    return {level: rows[0][f"team_{level}"] for level in range(1, LEVELS_MAX + 1)} if rows else None
