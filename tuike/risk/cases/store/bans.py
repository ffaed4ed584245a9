"""Whom a ban shuts out, what keeps somebody out, and which case carries that on."""

from collections.abc import Sequence

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.db import Transaction

_BUYER_IDS = bindparam("buyer_ids", type_=ARRAY(Text))
_PROMOTER_IDS = bindparam("promoter_ids", type_=ARRAY(Text))

_BANS = 7_485_014
"""Advisory lock of whoever says who is shut out: another case's ban may have to carry on what one lets go."""


def lock_bans(tx: Transaction) -> None:
    """Wait for other bans and releases, until the commit; to be asked for before any case is locked."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _BANS})


def list_active_promoters(tx: Transaction, *, promoter_ids: Sequence[str]) -> list[str]:
    """Return those promoters who are active."""
    rows = tx.execute(
        text("SELECT id FROM promoters WHERE id = ANY (:promoter_ids) AND status = 'active' ORDER BY id").bindparams(
            _PROMOTER_IDS
        ),
        {"promoter_ids": list(promoter_ids)},
    )
    return [row.id for row in rows]


def list_shoppers(
    tx: Transaction, *, promoter_ids: Sequence[str], buyer_ids: Sequence[str], lock: bool = False
) -> list[str]:
    """Return the persons behind accounts who have an account in the shop that is neither banned nor erased."""
    rows = tx.execute(
        text(
            f"""
            SELECT s.id FROM shoppers s WHERE s.status = 'active' AND s.id = ANY (
                SELECT p.external_id FROM promoters p WHERE p.id = ANY (:promoter_ids)
                UNION SELECT unnest(:buyer_ids))
            ORDER BY s.id {"FOR UPDATE" if lock else ""}
            """
        ).bindparams(_BUYER_IDS, _PROMOTER_IDS),
        {"promoter_ids": list(promoter_ids), "buyer_ids": list(buyer_ids)},
    )
    return [row.id for row in rows]


def lock_shoppers(tx: Transaction, *, person_ids: Sequence[str]) -> None:
    """Wait for everybody who changes some shoppers."""
    tx.execute(
        text("SELECT id FROM shoppers WHERE id = ANY (:ids) ORDER BY id FOR UPDATE").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(person_ids)},
    )


def find_external_ids(tx: Transaction, *, promoter_ids: Sequence[str]) -> dict[str, str]:
    """Return, by promoter, the person at the shop."""
    rows = tx.execute(
        text("SELECT id, external_id FROM promoters WHERE id = ANY (:promoter_ids)").bindparams(_PROMOTER_IDS),
        {"promoter_ids": list(promoter_ids)},
    )
    return {row.id: row.external_id for row in rows}


def find_ban(tx: Transaction, *, promoter_id: str) -> str | None:
    """Return the case that keeps a promoter suspended, if any does."""
    return tx.execute(
        text(
            "SELECT m.case_id FROM risk_case_members m JOIN risk_cases c ON c.id = m.case_id AND c.state = 'banned' "
            "WHERE m.account_kind = 'promoter' AND m.account_id = :promoter_id AND m.accused ORDER BY 1 LIMIT 1"
        ),
        {"promoter_id": promoter_id},
    ).scalar_one_or_none()


def list_banned_elsewhere(tx: Transaction, *, case_id: str, promoter_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return (promoter id, case id) where another ban accuses the same promoter too."""
    rows = tx.execute(
        text(
            """
            SELECT DISTINCT ON (m.account_id) m.account_id, m.case_id FROM risk_case_members m
            JOIN risk_cases c ON c.id = m.case_id
            WHERE m.account_kind = 'promoter' AND m.account_id = ANY (:promoter_ids) AND m.accused
              AND m.case_id <> :case_id AND c.state = 'banned'
            ORDER BY m.account_id, m.case_id
            """
        ).bindparams(_PROMOTER_IDS),
        {"case_id": case_id, "promoter_ids": list(promoter_ids)},
    )
    return [(row.account_id, row.case_id) for row in rows]


def pass_ban_on(tx: Transaction, *, case_id: str, promoter_id: str) -> None:
    """Let another case carry a promoter's suspension on."""
    tx.execute(
        text(
            "UPDATE risk_case_members SET banned = true "
            "WHERE case_id = :case_id AND account_kind = 'promoter' AND account_id = :promoter_id"
        ),
        {"case_id": case_id, "promoter_id": promoter_id},
    )


def find_lock_out(tx: Transaction, *, person_id: str, but: str = "") -> str | None:
    """Return a case that bans a person, other than `but`."""
    return tx.execute(
        text(
            """
            SELECT m.case_id FROM (
                SELECT 'buyer' AS kind, CAST(:person_id AS text) AS id
                UNION ALL SELECT 'promoter', p.id FROM promoters p WHERE p.external_id = :person_id
            ) who
            JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id AND m.accused
            JOIN risk_cases c ON c.id = m.case_id AND c.state = 'banned'
            WHERE m.case_id <> :but ORDER BY 1 LIMIT 1
            """
        ),
        {"person_id": person_id, "but": but},
    ).scalar_one_or_none()


def pass_lock_out_on(tx: Transaction, *, case_id: str, person_id: str) -> None:
    """Let another case carry on that a person is banned."""
    tx.execute(
        text(
            """
            UPDATE risk_case_members SET locked_out = true
            WHERE case_id = :case_id AND accused
              AND ((account_kind = 'buyer' AND account_id = :person_id)
                   OR (account_kind = 'promoter'
                       AND account_id IN (SELECT id FROM promoters WHERE external_id = :person_id)))
            """
        ),
        {"case_id": case_id, "person_id": person_id},
    )


def is_banned(tx: Transaction, *, person_id: str) -> bool:
    """Tell whether a person is banned in the shop; who was erased meanwhile is not."""
    query = text("SELECT EXISTS (SELECT 1 FROM shoppers WHERE id = :id AND status = 'banned')")
    return bool(tx.execute(query, {"id": person_id}).scalar_one())


def list_erased(tx: Transaction, *, promoter_ids: Sequence[str]) -> set[str]:
    """Return those promoters whose person had the account erased."""
    rows = tx.execute(
        text(
            "SELECT p.id FROM promoters p JOIN shoppers s ON s.id = p.external_id AND s.status = 'erased' "
            "WHERE p.id = ANY (:promoter_ids)"
        ).bindparams(_PROMOTER_IDS),
        {"promoter_ids": list(promoter_ids)},
    )
    return {row.id for row in rows}
