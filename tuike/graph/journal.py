"""The journal: every change of the graph, decided and written down in PostgreSQL before the graph hears of it.

A row is a decision, never a question: applying it can be late or happen twice, but it cannot be refused. Lane SYNC is
applied before the caller is answered, lane LAZY by a worker. A row is `new` when written, `deferred` when the graph was
away while it should have been applied, and `applied` when the graph has it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from tuike.db import Transaction, Write

SYNC = 0
LAZY = 1

FORGOTTEN = "identifiers_forgotten"
"""The kind of a row that says: whatever identifiers its subject used until now, nobody knows any more."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One change of the graph. `seq` orders all rows, `id` is unique within its `kind`, `subject` says whom."""

    seq: int
    kind: str
    id: str
    subject: str
    payload: Mapping[str, Any]
    status: str


_WRITE = """
    INSERT INTO journal (lane, kind, id, subject, payload, recorded_at)
    VALUES (:{0}_lane, :{0}_kind, :{0}_id, :{0}_subject, CAST(:{0}_payload AS jsonb), :{0}_now)
"""
GRACE_SECONDS = 1
"""How long a change may be on its way into the graph, not answered yet, before it counts as missing there."""

BEHIND = f"""EXISTS (SELECT 1 FROM journal WHERE lane = 0 AND status <> 'applied'
    AND (status = 'deferred' OR recorded_at < clock_timestamp() - interval '{GRACE_SECONDS} second'))"""
"""SQL for `is_behind`, for whoever asks for more in the same statement."""
_IS_BEHIND = text(f"SELECT {BEHIND}")

_COLUMNS = "seq, kind, id, subject, payload, status"


def append(
    tx: Transaction,
    *,
    kind: str,
    id: str,
    subject: str,
    payload: Mapping[str, Any],
    lane: int = SYNC,
    now: datetime,
) -> int:
    """Write one decided change into the journal and return its seq.

    It is in the graph after the next `catch_up` that follows the commit. A second row of the same kind and id is
    refused by the database.
    """
    one = write(kind=kind, id=id, subject=subject, payload=payload, lane=lane, now=now)
    return tx.execute(text(f"{one.sql} RETURNING seq"), one.parameters).scalar_one()


def forget_identifiers(tx: Transaction, *, account: str, now: datetime) -> None:
    """Forget which identifiers an account used: their rows leave the journal, and the graph follows.

    The only rows that ever go, and the database lets them go only behind the row that says so. What is used later is
    recorded anew.
    """
    seq = append(tx, kind=FORGOTTEN, id=f"{account}:{now.isoformat()}", subject=account,
                 payload={"account": account}, now=now)  # fmt: skip
    gone = "DELETE FROM journal WHERE kind = 'identifier' AND subject = :account AND seq < :seq"
    tx.execute(text(gone), {"account": account, "seq": seq})


def write(*, kind: str, id: str, subject: str, payload: Mapping[str, Any], lane: int = SYNC, now: datetime) -> Write:
    """Return the write that `append` makes, for whoever writes more in the same statement and needs no seq.

    One statement may hold one of each kind.
    """
    name = f"journalled_{kind}"
    values = {"lane": lane, "kind": kind, "id": id, "subject": subject, "payload": json.dumps(payload), "now": now}
    return Write(name, _WRITE.format(name), {f"{name}_{column}": value for column, value in values.items()})


def find(tx: Transaction, kind: str, id: str) -> JournalRow | None:
    """Return the row of that kind and id, or None."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM journal WHERE kind = :kind AND id = :id"), {"kind": kind, "id": id}
    ).one_or_none()
    return None if row is None else JournalRow(*row)


def find_newest(tx: Transaction, kind: str, subject: str) -> JournalRow | None:
    """Return the newest row of that kind about a subject, or None."""
    query = f"SELECT {_COLUMNS} FROM journal WHERE kind = :kind AND subject = :subject ORDER BY seq DESC LIMIT 1"
    row = tx.execute(text(query), {"kind": kind, "subject": subject}).one_or_none()
    return None if row is None else JournalRow(*row)


def is_behind(tx: Transaction) -> bool:
    """Tell whether the graph may lack something that was already answered, so that no money may be decided from it.

    True while any row of the sync lane waits for a graph that was away, or has waited for more than GRACE_SECONDS.
    """
    return tx.execute(_IS_BEHIND).scalar_one()


def has_waiting(tx: Transaction) -> bool:
    """Tell whether any row of the sync lane is not applied."""
    return tx.execute(text("SELECT EXISTS (SELECT 1 FROM journal WHERE lane = 0 AND status <> 'applied')")).scalar_one()


def list_unapplied_count(tx: Transaction) -> dict[int, int]:
    """Return how many rows wait in each lane."""
    rows = tx.execute(text("SELECT lane, count(*) AS total FROM journal WHERE status <> 'applied' GROUP BY lane"))
    return {SYNC: 0, LAZY: 0} | {row.lane: row.total for row in rows}


def has_applied(tx: Transaction) -> bool:
    """Tell whether anything was ever applied: then an empty graph is a lost one."""
    return tx.execute(text("SELECT EXISTS (SELECT 1 FROM journal WHERE status = 'applied')")).scalar_one()


def list_pending(tx: Transaction, *, lane: int, limit: int) -> list[JournalRow]:
    """Return up to `limit` rows of a lane that are not applied, in the order of seq. Needs the writer's lock."""
    rows = tx.execute(
        text(f"SELECT {_COLUMNS} FROM journal WHERE lane = :lane AND status <> 'applied' ORDER BY seq LIMIT :limit"),
        {"lane": lane, "limit": limit},
    )
    return [JournalRow(*row) for row in rows]


def iter_applied(tx: Transaction, *, kinds: Sequence[str], page: int = 5_000) -> Iterator[list[JournalRow]]:
    """Stream the applied rows of some kinds in pages, in the order of seq."""
    after = 0
    while True:
        rows = [
            JournalRow(*row)
            for row in tx.execute(
                text(
                    f"SELECT {_COLUMNS} FROM journal WHERE seq > :after AND kind = ANY(:kinds) AND status = 'applied'"
                    " ORDER BY seq LIMIT :page"
                ),
                {"after": after, "kinds": list(kinds), "page": page},
            )
        ]
        if rows:
            yield rows
        if len(rows) < page:
            return
        after = rows[-1].seq


def count_applied(tx: Transaction) -> dict[str, int]:
    """Return how many rows of each kind are applied."""
    rows = tx.execute(text("SELECT kind, count(*) AS total FROM journal WHERE status = 'applied' GROUP BY kind"))
    return {row.kind: row.total for row in rows}


def mark_applied(tx: Transaction, seqs: Sequence[int]) -> None:
    """Mark rows as applied. Needs the writer's lock."""
    tx.execute(text("UPDATE journal SET status = 'applied' WHERE seq = ANY(:seqs)"), {"seqs": list(seqs)})


def defer(tx: Transaction) -> None:
    """Mark every waiting row of the sync lane as deferred, but for rows that a writer is working on right now."""
    tx.execute(
        text(
            "UPDATE journal SET status = 'deferred' WHERE seq IN"
            " (SELECT seq FROM journal WHERE lane = 0 AND status = 'new' FOR UPDATE SKIP LOCKED)"
        )
    )


def list_usage(tx: Transaction, *, accounts: Sequence[str], seqs: Sequence[int]) -> list[dict[str, Any]]:
    """Return how each account used each identifier, over all applied rows and the rows of `seqs`.

    Rows that were on their way while their account was forgotten do not count.

    An item is {label, account, key, kind, digest, first_at, last_at, times}.
    """
    rows = tx.execute(
        text(
            "SELECT payload->>'label' AS label, subject AS account, payload->>'key' AS key,"
            " min(payload->>'kind') AS kind, min(payload->>'digest') AS digest,"
            " min((payload->>'at')::bigint) AS first_at, max((payload->>'at')::bigint) AS last_at,"
            " count(*) AS times FROM journal j"
            " WHERE kind = 'identifier' AND subject = ANY(:accounts) AND (status = 'applied' OR seq = ANY(:seqs))"
            " AND NOT EXISTS (SELECT 1 FROM journal f WHERE f.kind = :forgotten AND f.subject = j.subject"
            "  AND f.seq > j.seq)"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ),
        {"accounts": list(accounts), "seqs": list(seqs), "forgotten": FORGOTTEN},
    )
    return [dict(row) for row in rows.mappings()]


def iter_identified_accounts(tx: Transaction, *, page: int = 1_000) -> Iterator[list[str]]:
    """Stream the accounts that used any identifier, in pages."""
    after = ""
    while True:
        query = text(
            "SELECT DISTINCT subject FROM journal WHERE kind = 'identifier' AND status = 'applied' AND subject > :after"
            " ORDER BY subject LIMIT :page"
        )
        accounts = list(tx.execute(query, {"after": after, "page": page}).scalars())
        if accounts:
            yield accounts
        if len(accounts) < page:
            return
        after = accounts[-1]


def count_people(tx: Transaction) -> dict[str, int]:
    """Return how many people and how many visitors the applied rows name, each counted once."""
    row = tx.execute(
        text(
            "SELECT (SELECT count(*) FROM ("
            "  SELECT payload->>'external_id' FROM journal WHERE kind = 'promoter' AND status = 'applied'"
            "  UNION SELECT payload->>'buyer_id' FROM journal WHERE kind IN ('touch', 'touch_claim', 'order')"
            "   AND status = 'applied' AND payload->>'buyer_id' IS NOT NULL"
            "  UNION SELECT subject FROM journal WHERE kind = 'identifier' AND status = 'applied'"
            "   AND payload->>'label' = 'User'"
            "  UNION SELECT subject FROM journal WHERE kind = :forgotten AND status = 'applied') AS people) AS users,"
            " (SELECT count(*) FROM ("
            "  SELECT payload->>'visitor_id' FROM journal WHERE kind = 'touch' AND status = 'applied'"
            "   AND payload->>'visitor_id' IS NOT NULL"
            "  UNION SELECT subject FROM journal WHERE kind = 'identifier' AND status = 'applied'"
            "   AND payload->>'label' = 'Visitor') AS visitors) AS visitors"
        ),
        {"forgotten": FORGOTTEN},
    ).one()
    return {"users": row.users, "visitors": row.visitors}
