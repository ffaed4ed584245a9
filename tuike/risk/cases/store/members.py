"""Who stands in cases: the accused, and context."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Boolean, Float, Text

from tuike.db import Transaction
from tuike.risk.cases.model import CaseMember, CaseState

_MEMBER_COLUMNS = "account_kind, account_id, role, score, accused, held, banned, locked_out"


def list_members(tx: Transaction, *, case_id: str) -> list[CaseMember]:
    """Return the members of a case, in a fixed order."""
    rows = tx.execute(
        text(
            f"SELECT {_MEMBER_COLUMNS} FROM risk_case_members WHERE case_id = :case_id "
            "ORDER BY account_kind, account_id"
        ),
        {"case_id": case_id},
    )
    return [CaseMember(*row) for row in rows]


def list_member_page(tx: Transaction, *, case_id: str, after: int, limit: int) -> list[CaseMember]:
    """Return members of a case in a fixed order, from the `after`-th on."""
    rows = tx.execute(
        text(
            f"SELECT {_MEMBER_COLUMNS} FROM risk_case_members WHERE case_id = :case_id "
            "ORDER BY account_kind, account_id OFFSET :after LIMIT :limit"
        ),
        {"case_id": case_id, "after": after, "limit": limit},
    )
    return [CaseMember(*row) for row in rows]


_ADD_MEMBERS = text(
    f"""
    INSERT INTO risk_case_members (case_id, {_MEMBER_COLUMNS})
    SELECT :case_id, * FROM unnest(:kinds, :ids, :roles, :scores, :accused, :held, :banned, :locked_out)
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "ids", "roles")),
    bindparam("scores", type_=ARRAY(Float(53))),
    *(bindparam(name, type_=ARRAY(Boolean)) for name in ("accused", "held", "banned", "locked_out")),
)


def replace_members(tx: Transaction, *, case_id: str, members: Sequence[CaseMember]) -> None:
    """Write the members of a case anew."""
    tx.execute(text("DELETE FROM risk_case_members WHERE case_id = :case_id"), {"case_id": case_id})
    tx.execute(
        _ADD_MEMBERS,
        {
            "case_id": case_id,
            "kinds": [one.account_kind for one in members],
            "ids": [one.account_id for one in members],
            "roles": [one.role for one in members],
            "scores": [one.score for one in members],
            "accused": [one.accused for one in members],
            "held": [one.held for one in members],
            "banned": [one.banned for one in members],
            "locked_out": [one.locked_out for one in members],
        },
    )


_ACCUSE_MEMBERS = text(
    """
    INSERT INTO risk_case_members AS m (case_id, account_kind, account_id, role, score, accused)
    SELECT :case_id, one.kind, one.id, one.role, one.score, true
    FROM unnest(:kinds, :ids, :roles, :scores) AS one (kind, id, role, score)
    ON CONFLICT (case_id, account_kind, account_id) DO UPDATE
        SET role = excluded.role, score = excluded.score, accused = true WHERE NOT m.accused
    RETURNING account_kind, account_id
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "ids", "roles")),
    bindparam("scores", type_=ARRAY(Float(53))),
)


def accuse_members(tx: Transaction, *, case_id: str, members: Sequence[CaseMember]) -> set[tuple[str, str]]:
    """Accuse accounts in a locked case, and return those whom it did not accuse before."""
    rows = tx.execute(
        _ACCUSE_MEMBERS,
        {
            "case_id": case_id,
            "kinds": [one.account_kind for one in members],
            "ids": [one.account_id for one in members],
            "roles": [one.role for one in members],
            "scores": [one.score for one in members],
        },
    )
    return {(row.account_kind, row.account_id) for row in rows}


def add_context(tx: Transaction, *, case_id: str, member: CaseMember) -> bool:
    """Add a member who is accused of nothing; False where the account stands in the case already."""
    row = tx.execute(
        text(
            """
            INSERT INTO risk_case_members (case_id, account_kind, account_id, role, score, accused)
            VALUES (:case_id, :account_kind, :account_id, :role, :score, false)
            ON CONFLICT DO NOTHING RETURNING 1
            """
        ),
        {"case_id": case_id, "account_kind": member.account_kind, "account_id": member.account_id,
         "role": member.role, "score": member.score},
    ).one_or_none()  # fmt: skip
    return row is not None


_RELATED = text(
    """
    SELECT m.case_id, c.state, m.account_kind, m.account_id FROM risk_case_members m
    JOIN risk_cases c ON c.id = m.case_id
    WHERE m.accused AND m.case_id IN (
        SELECT k.case_id FROM unnest(:kinds, :ids) AS found (kind, id)
        JOIN risk_case_members k ON k.account_kind = found.kind AND k.account_id = found.id AND k.accused)
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)))


def list_related(
    tx: Transaction, *, accounts: Iterable[tuple[str, str]]
) -> dict[str, tuple[CaseState, frozenset[tuple[str, str]]]]:
    """Return the cases that accuse any of some accounts: their state, and everybody whom they accuse."""
    wanted = sorted(set(accounts))
    rows = tx.execute(_RELATED, {"kinds": [kind for kind, _ in wanted], "ids": [id_ for _, id_ in wanted]})
    states: dict[str, CaseState] = {}
    accused: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        states[row.case_id] = CaseState(row.state)
        accused.setdefault(row.case_id, set()).add((row.account_kind, row.account_id))
    return {case_id: (states[case_id], frozenset(accused[case_id])) for case_id in sorted(states)}


def list_accused_persons(tx: Transaction, *, case_id: str, limit: int) -> dict[str, tuple[str, str]]:
    """Return the accused as persons of the graph, each with the account that the case names, the surest first."""
    rows = tx.execute(
        text(
            """
            SELECT coalesce(p.external_id, m.account_id) AS person_id, m.account_kind, m.account_id
            FROM risk_case_members m
            LEFT JOIN promoters p ON m.account_kind = 'promoter' AND p.id = m.account_id
            WHERE m.case_id = :case_id AND m.accused ORDER BY m.score DESC, m.account_kind, m.account_id LIMIT :limit
            """
        ),
        {"case_id": case_id, "limit": limit},
    )
    return {row.person_id: (row.account_kind, row.account_id) for row in rows}


def list_cleared(tx: Transaction, *, person_ids: Sequence[str]) -> set[str]:
    """Return those persons whom a person found innocent in some case, as buyers or as promoters."""
    rows = tx.execute(
        text(
            """
            SELECT who.person_id FROM (
                SELECT asked.id AS person_id, 'buyer' AS kind, asked.id FROM unnest(:ids) AS asked (id)
                UNION ALL
                SELECT p.external_id, 'promoter', p.id FROM promoters p WHERE p.external_id = ANY (:ids)
            ) who
            JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id AND m.accused
            JOIN risk_cases c ON c.id = m.case_id AND c.state = 'innocent'
            """
        ).bindparams(bindparam("ids", type_=ARRAY(Text))),
        {"ids": list(person_ids)},
    )
    return {row.person_id for row in rows}
